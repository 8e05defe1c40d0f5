"""What keeps sources apart, and what is left out or filled where they go together."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from lecompose.dataset.catalog import Source
from lecompose.dataset.catalog.dimension_names import group_names, plain_names
from lecompose.dataset.feature_map.dtypes import NUMBERS, shared_dtype
from lecompose.errors import few
from lecompose.formats import DEFAULT_FEATURES, SUBTASK_INDEX, Feature

Holders: TypeAlias = list[tuple[Source, Feature]]
"""The sources that have a feature of the output, and their own feature."""
HoldersByName: TypeAlias = Mapping[str, Holders]
"""The same of each feature, by the output's name."""


def find_differences(
    holders: HoldersByName,
    lacking: Mapping[str, list[Source]],
    casts: Iterable[str],
    *,
    features: str,
    fill: str,
) -> Iterator[str]:
    """Yield every difference that keeps sources apart; features of `casts` may have other dtypes."""
    seen: dict[str, str] = {}
    for name, held in holders.items():
        other = seen.setdefault(name.lower(), name)
        if other != name and features != "same":
            yield f'feature "{name}" in {_names(held)} cannot be told from "{other}" in SQL. Try: --rename'
        if lacking[name] and features == "same":
            yield _absent(name, held, lacking[name], holders)
            continue
        yield from _unlike(name, held, cast=name in casts)
        if lacking[name]:
            yield from _unfillable(name, held, lacking[name], fill)


def _absent(
    name: str,
    held: Holders,
    lacking: list[Source],
    holders: HoldersByName,
) -> str:
    def others_of(source: Source) -> set[str]:
        """Return what this source has, and the first holder has not."""
        first = held[0][0].name
        return {
            n
            for n, h in holders.items()
            if any(s.name == source.name for s, _ in h) and all(s.name != first for s, _ in h)
        }

    import difflib  # slow to load, and few runs fail

    near = difflib.get_close_matches(name, sorted(others_of(lacking[0])), 1)
    way_out = (
        f' (it has "{near[0]}". Try: --rename "{near[0]}={name}")'
        if near
        else ". Try: --features common, or union"
    )
    return f'feature "{name}": in {_names(held)}, not in {few(s.name for s in lacking)}{way_out}'


def describe_dropped(name: str, held: Holders, lacking: list[Source]) -> str:
    """Return the note on a feature that is left out."""
    return f'feature "{name}" of {_names(held)} is left out: not in {few(s.name for s in lacking)}'


def describe_filled(name: str, lacking: list[Source], fill: str) -> str:
    """Return the note on a feature that some sources lack."""
    hint = "; LeRobot gives None there, which torch cannot batch. Try: --fill zero" if fill == "null" else ""
    return f'feature "{name}" is {fill} in every frame of {few(s.name for s in lacking)}{hint}'


def describe_converted(name: str, source: str, stored_as: str, dtype: str) -> str:
    """Return the note on a feature that is stored in another dtype than it is declared in."""
    return (
        f'feature "{name}" of "{source}" is stored as {stored_as}, not as declared; it is written as {dtype}'
    )


def _unfillable(name: str, held: Holders, lacking: list[Source], fill: str) -> Iterator[str]:
    first = held[0][1]
    without = few(s.name for s in lacking)
    if first.is_video:
        yield (
            f'camera "{name}": not in {without}, and a video cannot be made up. Try: --features common, or'
            f" --rename OLD={name} where a source has it by another name"
        )
    elif fill == "zero" and (first.is_visual or name == SUBTASK_INDEX):
        yield f'feature "{name}": not in {without}, and zero would have a meaning. Try: --fill null'


def _unlike(name: str, held: Holders, *, cast: bool) -> Iterator[str]:
    for what, value in (
        ("dtype", lambda f: f.dtype),
        ("shape", lambda f: list(f.picture_shape if f.is_visual else f.shape) or [1]),
        ("names", lambda f: None if f.is_visual else plain_names(f.spec.get("names"))),
        ("groups of names", lambda f: None if f.is_visual else group_names(f.spec.get("names"))),
        ("depth map", lambda f: f.is_depth),
    ):
        if what == "dtype" and (cast or shared_dtype(name, [f for _, f in held])):
            continue
        told = [(source.name, said) for source, own in held if (said := value(own)) is not None]
        if any(said != told[0][1] for _, said in told):
            groups: dict[str, list[str]] = {}
            for source_name, said in told:
                groups.setdefault(json.dumps(said), []).append(source_name)
            found = "; ".join(f"{v} in {few(names)}" for v, names in groups.items())
            numbers = (
                what == "dtype" and name not in DEFAULT_FEATURES and all(f.dtype in NUMBERS for _, f in held)
            )
            hint = f". No dtype holds all values of both. Try: --cast {name}=DTYPE" if numbers else ""
            yield f'feature "{name}": {what} {found}{hint}'
            return


def _names(held: Holders) -> str:
    return few(source.name for source, _ in held)
