"""What each feature of an output is taken from: of every source a feature of its own, or a fill.

Decided once, from what the sources declare and what the caller asks for. Whatever moves frames, clips or
statistics reads the mapping; nothing else knows that sources are not alike.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from lecompose.dataset.catalog import Source
from lecompose.dataset.column_types import dtype_and_sizes
from lecompose.dataset.feature_map.dtypes import NUMBERS, holds, refuse_casts, shared_dtype
from lecompose.dataset.feature_map.edit_vectors import (
    NO_VECTORS,
    EditedVector,
    VectorChanges,
    edit_vectors,
    parse_vector_changes,
)
from lecompose.dataset.feature_map.find_differences import (
    Holders,
    HoldersByName,
    describe_converted,
    describe_dropped,
    describe_filled,
    find_differences,
)
from lecompose.dataset.feature_map.rename_features import (
    name_conflicts,
    name_problems,
    refuse_unusable,
    remove_features,
    rename_features,
)
from lecompose.errors import RequestError
from lecompose.formats import DEFAULT_FEATURES, Feature, feature

__all__ = [
    "FILLS",
    "SHARED",
    "UNCHANGED",
    "Changes",
    "FeatureMap",
    "Holders",
    "OutputFeatures",
    "SetDimension",
    "SourceFeature",
    "VectorChanges",
    "holds",
    "map_features",
    "parse_vector_changes",
]

SHARED = ("same", "common", "union")
FILLS = ("null", "zero")
# What stands for zero where there are no numbers; of pictures nothing does.
_EMPTY: Mapping[str, Any] = {"string": "", "language": [], "image": None, "video": None}


@dataclass(frozen=True)
class Changes:
    """What the caller wants of the features, and where sources are not alike.

    `remove` has names, as in "wrist" or, of one source, "a:wrist"; `rename` (old, new) pairs, old likewise;
    `cast` has (feature, dtype) by the output's names. `features` is one of `SHARED`, `fill` one of `FILLS`.
    `add` are features that no source has: who moves the frames knows their values. `vectors` get other
    dimensions.
    """

    remove: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    features: str = "same"
    fill: str = "null"
    cast: tuple[tuple[str, str], ...] = ()
    add: tuple[Feature, ...] = ()
    vectors: VectorChanges = NO_VECTORS


UNCHANGED = Changes()


@dataclass(frozen=True)
class SourceFeature:
    """What one source gives for a feature of the output: a feature of its own or, where that is None, `value`
    in every frame. `stored_as` is the dtype in the data files, if info.json declares another one. `lossy`
    where the output's dtype does not hold each value of the source's. `has_stats` where what the source's
    statistics say of it is true of the output, too. Where the output has other `dimensions`, these are the
    source's, from 0, behind each of them; where that is -1 it is `padding`.
    """

    feature: Feature | None
    value: Any = None
    stored_as: str | None = None
    lossy: bool = False
    has_stats: bool = True
    dimensions: tuple[int, ...] = ()
    padding: float = 0


@dataclass(frozen=True)
class SetDimension:
    """A dimension of an output's vector, from 0, that SQL gives for the frames of some sources."""

    feature: Feature
    dimension: int
    sql: str
    sources: frozenset[str]

    @property
    def title(self) -> str:
        """The dimension as messages name it, counted from 1."""
        return f"{self.feature.name}[{self.dimension + 1}]"


FeatureMap: TypeAlias = Mapping[str, Mapping[str, SourceFeature]]
"""By source, and by the output's name of each feature."""


@dataclass(frozen=True)
class OutputFeatures:
    """The features of an output by name: its dtype, who has it, and what each source gives for it.

    `problems` are what keeps the sources apart, `notes` what is left out; `changed` unless each source gives
    all its features under their own names, and no other.
    """

    dtypes: Mapping[str, str]
    holders: HoldersByName
    feature_map: FeatureMap
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    changed: bool
    set_dimensions: tuple[SetDimension, ...] = ()


def map_features(sources: tuple[Source, ...], changes: Changes) -> OutputFeatures:
    """Return the output's features, and what each source gives for them.

    Raises:
        RequestError: for what is to be removed, renamed or cast and is not there, or cannot be.
        SourceBroken: for what cannot be carried over, and is not removed.
    """
    given, sources = sources, remove_features(sources, changes.remove)
    refuse_unusable(sources)
    plain = sources
    edited, told = edit_vectors(sources, changes.vectors)
    sources = tuple(_with_edited(source, edited.get(source.name, {})) for source in sources)
    held = rename_features(sources, changes.rename)
    names = _in_order([list(features) for features in held.values()])
    holders = {n: [(s, held[s.name][n]) for s in sources if n in held[s.name]] for n in names}
    refuse_casts(changes.cast, {n: [f for _, f in held] for n, held in holders.items()})
    casts = dict(changes.cast)
    lacking = {n: [s for s in sources if n not in held[s.name]] for n in names}
    notes = list(told)
    if changes.features == "common":
        notes += [describe_dropped(n, holders[n], lacking[n]) for n in names if lacking[n]]
        holders = {n: h for n, h in holders.items() if not lacking[n]}
    notes += [describe_filled(n, lacking[n], changes.fill) for n in holders if lacking[n]]
    problems = list(find_differences(holders, lacking, casts, features=changes.features, fill=changes.fill))
    dtypes = {
        n: casts.get(n) or shared_dtype(n, [f for _, f in h]) or h[0][1].dtype for n, h in holders.items()
    }
    feature_map = {
        source.name: {
            n: _source_feature(source, held[source.name].get(n), holders[n], dtype, changes.fill)
            for n, dtype in dtypes.items()
        }
        for source in sources
    }
    feature_map = {s.name: _from_edited(feature_map[s.name], s, edited.get(s.name, {})) for s in plain}
    notes += [
        describe_converted(n, source, how.stored_as, dtypes[n])
        for source, takes in feature_map.items()
        for n, how in takes.items()
        if how.stored_as is not None and how.stored_as != dtypes[n]
    ]
    moved = any(vector.moves for vectors in edited.values() for vector in vectors.values())
    changed = bool(changes.rename or changes.remove) or any(lacking.values()) or moved
    computed = tuple(_list_set(edited, held, holders, dtypes))
    mapped = OutputFeatures(dtypes, holders, feature_map, tuple(problems), tuple(notes), changed, computed)
    return _with_added(mapped, sources, tuple(_keep_names(new, given) for new in changes.add))


def _in_order(lists: list[list[str]]) -> list[str]:
    """Return every name once: the first list, and what only others have before its default features."""
    first = lists[0]
    more = [name for name in dict.fromkeys(n for names in lists for n in names) if name not in first]
    at = next((n for n, name in enumerate(first) if name in DEFAULT_FEATURES), len(first))
    return [*first[:at], *more, *first[at:]]


def _keep_names(new: Feature, given: tuple[Source, ...]) -> Feature:
    """Return a new feature with the names that the one had in whose place and shape it is."""
    replaced = [f for source in given for f in source.features if f.name == new.name and f.shape == new.shape]
    names = [feature.spec.get("names") for feature in replaced]
    if new.spec.get("names") is not None or len(names) < len(given) or any(n != names[0] for n in names):
        return new
    return replace(new, spec={**new.spec, "names": names[0]})


def _with_edited(source: Source, edited: Mapping[str, EditedVector]) -> Source:
    """Return a source with its vectors as they become."""
    if not edited:
        return source
    features = tuple(edited[f.name].feature if f.name in edited else f for f in source.features)
    return replace(source, features=features)


def _from_edited(
    takes: dict[str, SourceFeature], source: Source, edited: Mapping[str, EditedVector]
) -> dict[str, SourceFeature]:
    """Return what a source gives: of vectors with other dimensions its own ones, and which of these."""
    own = {feature.name: feature for feature in source.features}
    found = dict(takes)
    for name, how in takes.items():
        vector = edited.get(how.feature.name) if how.feature is not None else None
        if how.feature is None or vector is None:
            continue
        found[name] = replace(
            how,
            feature=own[how.feature.name],
            has_stats=False,
            dimensions=vector.dimensions if vector.moves else (),
            padding=vector.padding,
        )
    return found


def _list_set(
    edited: Mapping[str, Mapping[str, EditedVector]],
    held: Mapping[str, Mapping[str, Feature]],
    holders: HoldersByName,
    dtypes: Mapping[str, str],
) -> Iterator[SetDimension]:
    """Yield the dimensions that SQL gives, each with all sources for which it is the same SQL."""
    sources: dict[tuple[str, int, str], set[str]] = {}
    for source, vectors in edited.items():
        names = {own.name: name for name, own in held[source].items()}
        for own, vector in vectors.items():
            for at, sql in vector.computed.items():
                if names[own] in holders:
                    sources.setdefault((names[own], at, sql), set()).add(source)
    for (name, at, sql), having in sources.items():
        element = feature(f"{name}[{at + 1}]", {"dtype": dtypes[name], "shape": [1], "names": None})
        yield SetDimension(replace(element, name=name), at, sql, frozenset(having))


def _with_added(
    mapped: OutputFeatures, sources: tuple[Source, ...], add: tuple[Feature, ...]
) -> OutputFeatures:
    """Return the same and new features, of which no source gives anything.

    Raises:
        RequestError: for names that are taken or cannot be.
    """
    problems = [p for feature in add for p in name_problems(feature.name, feature.name)]
    problems += name_conflicts([f.name for f in add], mapped.holders)
    if problems:
        raise RequestError("--add cannot be done", parts=dict.fromkeys(problems))
    holders = {**mapped.holders} | {f.name: [(s, f) for s in sources] for f in add}
    names = _in_order([list(mapped.holders), [f.name for f in add]])
    new = {f.name: SourceFeature(None) for f in add}
    return replace(
        mapped,
        dtypes={**mapped.dtypes} | {f.name: f.dtype for f in add},
        holders={name: holders[name] for name in names},
        feature_map={source: {**takes, **new} for source, takes in mapped.feature_map.items()},
    )


def _source_feature(
    source: Source, own: Feature | None, holders: Holders, dtype: str, fill: str
) -> SourceFeature:
    if own is not None:
        stored_as = _stored_otherwise(source, own)
        lossless = holds(dtype, stored_as or own.dtype)
        return SourceFeature(own, stored_as=stored_as, lossy=not lossless, has_stats=lossless)
    return SourceFeature(None, None if fill == "null" else _zero(dtype, holders[0][1].shape))


def _stored_otherwise(source: Source, own: Feature) -> str | None:
    """Return the dtype of a feature's numbers in the data files; None if info.json declares them so."""
    if not own.is_numeric or source.stored is None or own.name not in source.stored.names:
        return None
    found = dtype_and_sizes(source.stored.field(own.name).type)
    stored = found[0] if found else own.dtype
    return stored if stored in NUMBERS and own.dtype in NUMBERS and stored != own.dtype else None


def _zero(dtype: str, shape: tuple[int, ...]) -> Any:
    """Return a feature's value of nothing but zeros, as plain Python; None where it has no zero."""
    if dtype in _EMPTY:
        return _EMPTY[dtype]
    single = np.zeros((), dtype).item()
    if shape in ((), (1,)):
        return single
    return reduce(lambda value, size: [value] * size, reversed(shape), single)
