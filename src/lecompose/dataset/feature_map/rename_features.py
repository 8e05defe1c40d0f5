"""Features by name: which of them stay, and under which names."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from lecompose.dataset.catalog import Source
from lecompose.errors import RequestError, SourceBroken, few, near
from lecompose.formats import DEFAULT_FEATURES, SUBTASK_INDEX, Feature, feature

# SQL reads these as columns of its own.
_RESERVED = ("filename", "file_row_number")


def remove_features(sources: tuple[Source, ...], removes: Iterable[str]) -> tuple[Source, ...]:
    """Return the sources without the features that are to go.

    Raises:
        RequestError: with every one that is not there, or that readers need.
    """
    gone: dict[str, set[str]] = {s.name: set() for s in sources}
    problems = []
    for key in removes:
        scope, name = find_scope(sources, key)
        having = [s for s in scope if name in s.unusable or any(f.name == name for f in s.features)]
        if name in DEFAULT_FEATURES:
            problems.append(f'"{name}" is one of the five features that every dataset has')
        elif not having:
            problems.append(describe_unknown(name, scope))
        for source in having:
            gone[source.name].add(name)
    if problems:
        raise RequestError("--remove cannot be done", parts=dict.fromkeys(problems))
    return tuple(_without(s, gone[s.name]) for s in sources)


def _without(source: Source, gone: Collection[str]) -> Source:
    features = tuple(f for f in source.features if f.name not in gone)
    unusable = {name: why for name, why in source.unusable.items() if name not in gone}
    return replace(source, features=features, unusable=unusable)


def refuse_unusable(sources: Sequence[Source]) -> None:
    """Refuse sources with features or columns that cannot be carried over, and that are to stay.

    Raises:
        SourceBroken: with all of them.
    """
    found = [(source, name, why) for source in sources for name, why in source.unusable.items()]
    if not found:
        return
    used = {f.name for source in sources for f in source.features}
    keys = dict.fromkeys(f"{s.name}:{name}" if name in used else name for s, name, _ in found)
    options = " ".join(f"--remove {shlex.quote(key)}" for key in keys)
    raise SourceBroken(
        "features that cannot be carried over",
        hint=f"{options}, which leaves them out, as --skip-broken does",
        parts=[f'source "{source.name}", feature "{name}": {why}' for source, name, why in found],
    )


def rename_features(
    sources: tuple[Source, ...], renames: Iterable[tuple[str, str]]
) -> dict[str, dict[str, Feature]]:
    """Return the features of each source by the names they are to have.

    Raises:
        RequestError: with every rename that cannot be done.
    """
    wanted: dict[str, dict[str, str]] = {s.name: {} for s in sources}
    problems: list[str] = []
    # Of one feature, what is said of its own source counts.
    for key, new in sorted(renames, key=lambda pair: len(find_scope(sources, pair[0])[0]), reverse=True):
        scope, old = find_scope(sources, key)
        having = [s for s in scope if any(f.name == old for f in s.features)]
        problems += _rename_problems(key, old, new, scope, having)
        for source in having:
            wanted[source.name][old] = new
    problems = problems or [p for s in sources for p in _collisions(s, wanted[s.name])]
    if problems:
        raise RequestError("--rename cannot be done", parts=dict.fromkeys(problems))
    return {s.name: {wanted[s.name].get(f.name, f.name): f for f in s.features} for s in sources}


def find_scope(sources: tuple[Source, ...], key: str) -> tuple[tuple[Source, ...], str]:
    """Return the sources that a rename is about, and the feature's old name."""
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
        yield describe_unknown(old, scope)
    yield from name_problems(key, new)


def describe_unknown(name: str, scope: tuple[Source, ...]) -> str:
    hint = near(name, {n for s in scope for n in (*(f.name for f in s.features), *s.unusable)})
    return f'no feature "{name}" in {few(s.name for s in scope)}{hint}'


def name_problems(key: str, new: str) -> Iterator[str]:
    """Why a name that was asked for cannot be one."""
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


def name_conflicts(names: Iterable[str], there: Iterable[str]) -> Iterator[str]:
    """Why names of new features cannot be theirs: one that is there has it, to SQL at least."""
    held = set(there)
    seen = {name.lower(): name for name in held}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if name in DEFAULT_FEATURES:
            yield f'"{name}" is one of the five features that every dataset has'
        elif other in held:
            yield f'there is a feature "{other}". Try: --remove "{other}" as well, to replace it'
        elif other != name:
            yield f'"{other}" and "{name}" cannot be told apart in SQL'
