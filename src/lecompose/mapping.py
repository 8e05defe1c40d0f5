"""What each feature of an output is taken from: of every source a feature of its own, or a fill.

Decided once, from what the sources declare and what the caller asks for. Whatever moves frames, clips or
statistics reads the mapping; nothing else knows that sources are not alike.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from lecompose.catalog import Source
from lecompose.errors import RequestError, SourceBroken, listed
from lecompose.formats import DEFAULT_FEATURES, SUBTASK_INDEX, Feature, feature

SHARED = ("same", "common", "union")
FILLS = ("null", "zero")
# What stands for zero where there are no numbers; of pictures nothing does.
_EMPTY: Mapping[str, Any] = {"string": "", "language": [], "image": None, "video": None}
# SQL reads these as columns of its own.
_RESERVED = ("filename", "file_row_number")
_NUMBERS = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)


@dataclass(frozen=True)
class Changes:
    """What the caller wants done where sources are not alike.

    `rename` has (old, new) pairs, old as in "wrist" or, of one source, "a:wrist"; `cast` has (feature, dtype)
    by the output's names. `features` is one of `SHARED`, `fill` one of `FILLS`.
    """

    rename: tuple[tuple[str, str], ...] = ()
    features: str = "same"
    fill: str = "null"
    cast: tuple[tuple[str, str], ...] = ()


UNCHANGED = Changes()


@dataclass(frozen=True)
class Taken:
    """What one source gives for a feature of the output: a feature of its own or, where that is None, `value`
    in every frame. `lossy` where the output's dtype does not hold each value of the source's.
    """

    feature: Feature | None
    value: Any = None
    lossy: bool = False


Holders: TypeAlias = Mapping[str, list[tuple[Source, Feature]]]
"""Of each feature, by the output's name, the sources that have it, and their own feature."""
Takes: TypeAlias = Mapping[str, Mapping[str, Taken]]
"""By source, and by the output's name of each feature."""


@dataclass(frozen=True)
class Mapped:
    """The features of an output by name: its dtype, who has it, and what each source gives for it.

    `problems` are what keeps the sources apart, `notes` what is left out; `changed` unless each source gives
    all its features under their own names, and no other.
    """

    dtypes: Mapping[str, str]
    holders: Holders
    taken: Takes
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    changed: bool


def map_features(sources: tuple[Source, ...], changes: Changes) -> Mapped:
    """The output's features, and what each source gives for them.

    Errors: RequestError for renames and casts of what is not there, or that cannot be.
    """
    held = _renamed(sources, changes.rename)
    names = _in_order([list(features) for features in held.values()])
    holders = {n: [(s, held[s.name][n]) for s in sources if n in held[s.name]] for n in names}
    _refuse_casts(changes.cast, holders)
    casts = dict(changes.cast)
    lacking = {n: [s for s in sources if n not in held[s.name]] for n in names}
    notes: list[str] = []
    if changes.features == "common":
        notes += [_dropped(n, holders[n], lacking[n]) for n in names if lacking[n]]
        holders = {n: h for n, h in holders.items() if not lacking[n]}
    notes += [_filled(n, lacking[n], changes.fill) for n in holders if lacking[n]]
    problems = list(_problems(holders, lacking, casts, changes))
    dtypes = {n: casts.get(n) or _shared_dtype(n, h) or h[0][1].dtype for n, h in holders.items()}
    taken = {
        source: {n: _taken(own.get(n), holders[n], dtype, changes.fill) for n, dtype in dtypes.items()}
        for source, own in held.items()
    }
    changed = bool(changes.rename) or any(lacking.values())
    return Mapped(dtypes, holders, taken, tuple(problems), tuple(notes), changed)


def _in_order(lists: list[list[str]]) -> list[str]:
    """Every name once: the first list, and what only others have before its default features."""
    first = lists[0]
    more = [name for name in dict.fromkeys(n for names in lists for n in names) if name not in first]
    at = next((n for n, name in enumerate(first) if name in DEFAULT_FEATURES), len(first))
    return [*first[:at], *more, *first[at:]]


def _taken(own: Feature | None, holders: list[tuple[Source, Feature]], dtype: str, fill: str) -> Taken:
    if own is not None:
        return Taken(own, lossy=not holds(dtype, own.dtype))
    return Taken(None, None if fill == "null" else _zero(dtype, holders[0][1].shape))


def _zero(dtype: str, shape: tuple[int, ...]) -> Any:
    """A feature's value of nothing but zeros, as plain Python; None where it has no zero."""
    if dtype in _EMPTY:
        return _EMPTY[dtype]
    single = np.zeros((), dtype).item()
    if shape in ((), (1,)):
        return single
    return reduce(lambda value, size: [value] * size, reversed(shape), single)


# Names ------------------------------------------------------------------------------------------


def _renamed(
    sources: tuple[Source, ...], renames: Iterable[tuple[str, str]]
) -> dict[str, dict[str, Feature]]:
    """The features of each source by the names they are to have.

    Errors: RequestError with every rename that cannot be done.
    """
    wanted: dict[str, dict[str, str]] = {s.name: {} for s in sources}
    problems: list[str] = []
    # Of one feature, what is said of its own source counts.
    for key, new in sorted(renames, key=lambda pair: len(_scope(sources, pair[0])[0]), reverse=True):
        scope, old = _scope(sources, key)
        having = [s for s in scope if any(f.name == old for f in s.features)]
        problems += _rename_problems(key, old, new, scope, having)
        for source in having:
            wanted[source.name][old] = new
    problems = problems or [p for s in sources for p in _collisions(s, wanted[s.name])]
    if problems:
        raise RequestError(listed("--rename cannot be done:", dict.fromkeys(problems)))
    return {s.name: {wanted[s.name].get(f.name, f.name): f for f in s.features} for s in sources}


def _scope(sources: tuple[Source, ...], key: str) -> tuple[tuple[Source, ...], str]:
    """The sources that a rename is about, and the feature's old name."""
    for source in sources:
        if key.startswith(f"{source.name}:"):
            return (source,), key[len(source.name) + 1 :]
    return sources, key


def _rename_problems(
    key: str, old: str, new: str, scope: tuple[Source, ...], having: list[Source]
) -> Iterator[str]:
    if old in DEFAULT_FEATURES:
        yield f'"{old}" is one of the five features that every dataset has, under that name'
    elif SUBTASK_INDEX in (old, new) or any(
        f.is_language for s in having for f in s.features if f.name == old
    ):
        yield f'"{key}": what readers know by its name alone cannot have another'
    elif not having:
        near = _near(old, {f.name for s in scope for f in s.features})
        yield f'no feature "{old}" in {few([s.name for s in scope])}{near}'
    try:
        feature(new, {"dtype": "float32", "shape": [1]})
    except SourceBroken as error:
        yield f'"{key}": {error}'
    if new.lower() in _RESERVED:
        yield f'"{key}": SQL has "{new}" for itself'


def _collisions(source: Source, wanted: Mapping[str, str]) -> Iterator[str]:
    """Features of one source that would have one name, or that SQL, which ignores case, cannot tell apart."""
    seen: dict[str, str] = {}
    for own in (f.name for f in source.features):
        new = wanted.get(own, own)
        other = seen.setdefault(new.lower(), own)
        if other != own:
            yield f'"{other}" and "{own}" in "{source.name}" would both be "{new}"'


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(set(names)), 1)
    return f' (there is "{near[0]}")' if near else ""


# What keeps sources apart -----------------------------------------------------------------------


def _problems(
    holders: Holders,
    lacking: Mapping[str, list[Source]],
    casts: Mapping[str, str],
    changes: Changes,
) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name, held in holders.items():
        other = seen.setdefault(name.lower(), name)
        if other != name and changes.features != "same":
            yield f'feature "{name}" in {_names(held)} cannot be told from "{other}" in SQL. Try: --rename'
        if lacking[name] and changes.features == "same":
            yield _absent(name, held, lacking[name], holders)
            continue
        yield from _differences(name, held, cast=name in casts)
        if lacking[name]:
            yield from _unfillable(name, held, lacking[name], changes.fill)


def _absent(
    name: str,
    held: list[tuple[Source, Feature]],
    lacking: list[Source],
    holders: Holders,
) -> str:
    def others_of(source: Source) -> set[str]:
        """What this source has, and the first holder has not."""
        first = held[0][0].name
        return {
            n
            for n, h in holders.items()
            if any(s.name == source.name for s, _ in h) and all(s.name != first for s, _ in h)
        }

    near = difflib.get_close_matches(name, sorted(others_of(lacking[0])), 1)
    way_out = (
        f' (it has "{near[0]}". Try: --rename "{near[0]}={name}")'
        if near
        else ". Try: --features common, or union"
    )
    return f'feature "{name}": in {_names(held)}, not in {few([s.name for s in lacking])}{way_out}'


def _dropped(name: str, held: list[tuple[Source, Feature]], lacking: list[Source]) -> str:
    return f'feature "{name}" of {_names(held)} is left out: not in {few([s.name for s in lacking])}'


def _filled(name: str, lacking: list[Source], fill: str) -> str:
    hint = "; LeRobot gives None there, which torch cannot batch. Try: --fill zero" if fill == "null" else ""
    return f'feature "{name}" is {fill} in every frame of {few([s.name for s in lacking])}{hint}'


def _unfillable(
    name: str, held: list[tuple[Source, Feature]], lacking: list[Source], fill: str
) -> Iterator[str]:
    first = held[0][1]
    without = few([s.name for s in lacking])
    if first.is_video:
        yield (
            f'camera "{name}": not in {without}, and a video cannot be made up. Try: --features common, or'
            f" --rename OLD={name} where a source has it by another name"
        )
    elif fill == "zero" and (first.is_visual or name == SUBTASK_INDEX):
        yield f'feature "{name}": not in {without}, and zero would say something. Try: --fill null'


def _differences(name: str, held: list[tuple[Source, Feature]], *, cast: bool) -> Iterator[str]:
    for what, value in (
        ("dtype", lambda f: f.dtype),
        ("shape", lambda f: list(f.shape) or [1]),
        ("names", lambda f: plain_names(f.spec.get("names"))),
        ("depth map", lambda f: f.is_depth),
    ):
        if what == "dtype" and (cast or _shared_dtype(name, held)):
            continue
        groups: dict[str, list[str]] = {}
        for source, own in held:
            said = value(own)
            if said is not None:
                groups.setdefault(json.dumps(said), []).append(source.name)
        if len(groups) > 1:
            found = "; ".join(f"{v} in {few(names)}" for v, names in groups.items())
            numbers = (
                what == "dtype" and name not in DEFAULT_FEATURES and all(f.dtype in _NUMBERS for _, f in held)
            )
            hint = f". No dtype holds all values of both. Try: --cast {name}=DTYPE" if numbers else ""
            yield f'feature "{name}": {what} {found}{hint}'
            return


def plain_names(names: object) -> list[str] | None:
    """The names of a feature's dimensions whatever way they were written down; None where there are none.

    Source: recorders write a list, a list in a list, or {"motors": [...]}; "channel" and "channels".
    """
    if isinstance(names, Mapping):
        names = list(names.values())
    if not isinstance(names, list):
        return None
    flat: list[str] = []
    for entry in names:
        inner = plain_names(entry) if isinstance(entry, list | Mapping) else [str(entry)]
        flat += inner or []
    return ["channels" if n == "channel" else n for n in flat] or None


def _names(held: list[tuple[Source, Feature]]) -> str:
    return few([source.name for source, _ in held])


def few(names: list[str]) -> str:
    """Some names as messages give them."""
    shown = ", ".join(f'"{n}"' for n in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


# Types ------------------------------------------------------------------------------------------


def _shared_dtype(name: str, held: list[tuple[Source, Feature]]) -> str | None:
    """The dtype that holds all values of all holders; None where none does. Every dataset has the same of
    the default features.
    """
    dtypes = list(dict.fromkeys(f.dtype for _, f in held))
    if len(dtypes) == 1:
        return dtypes[0]
    if name in DEFAULT_FEATURES or not all(d in _NUMBERS for d in dtypes):
        return None
    widest = str(reduce(np.promote_types, map(np.dtype, dtypes)))
    return widest if all(holds(widest, d) for d in dtypes) else None


def holds(wide: str, dtype: str) -> bool:
    """Whether every value of a dtype is a value of another; an int is one of a float that counts as far."""
    if wide == dtype:
        return True
    if wide not in _NUMBERS or dtype not in _NUMBERS:
        return False
    to, have = np.dtype(wide), np.dtype(dtype)
    if have.kind in "iu" and to.kind == "f":
        return 8 * have.itemsize - (have.kind == "i") <= np.finfo(to).nmant + 1
    return bool(np.can_cast(have, to, "safe"))


def _refuse_casts(casts: Iterable[tuple[str, str]], holders: Holders) -> None:
    """Errors: RequestError with every cast of what is no number, or to what is none."""
    problems = []
    for name, dtype in casts:
        if name not in holders:
            problems.append(f'no feature "{name}"{_near(name, holders)}')
        elif name in DEFAULT_FEATURES:
            problems.append(f'"{name}" has the same dtype in every dataset')
        elif dtype not in _NUMBERS:
            problems.append(f'"{name}": dtype "{dtype}" is none of {", ".join(_NUMBERS)}')
        else:
            others = dict.fromkeys(f.dtype for _, f in holders[name] if f.dtype not in _NUMBERS)
            problems += [f'"{name}" holds {other}, no numbers' for other in others]
    if problems:
        raise RequestError(listed("--cast cannot be done:", problems))
