"""Which features of an output hold task numbers beside task_index; they go with the task list as it does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lecompose import formats
from lecompose.dataset.arrow_arrays import repeat_text
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.task_columns import (
    USES,
    holds_number,
    list_candidates,
    list_texts,
    read_uses,
)
from lecompose.dataset.feature_map import FeatureMap, SourceFeature
from lecompose.errors import RequestError, SourceBroken, few, near
from lecompose.formats import Feature

# How many numbers without a text a message shows.
_SHOWN = 3


@dataclass(frozen=True)
class _Held:
    """A column of one source: its numbers, those that have no text, and whether it must be task numbers."""

    source: Source
    feature: Feature
    is_certain: bool
    uses: pa.Table
    unknown: tuple[int, ...]

    def __str__(self) -> str:
        """Return the numbers without a text, for messages."""
        shown = ", ".join(map(str, self.unknown[:_SHOWN]))
        more = f" and {len(self.unknown) - _SHOWN} more" if len(self.unknown) > _SHOWN else ""
        return f'{shown}{more} in source "{self.source.name}"'


def find_task_columns(
    catalog: Catalog, features: Sequence[Feature], feature_map: FeatureMap, asked: Mapping[str, bool]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the features that hold task numbers, and notes on those that only look so; make
    `task_column_uses`, by the names that the output has for them.

    `asked` says of features, by the sources' names or the output's, whether they are task numbers.

    Raises:
        RequestError: for features in `asked` that are not there, or no whole numbers.
        SourceBroken: if columns that certainly hold task numbers have some that the task list has not.
    """
    _refuse_unknown(catalog, features, asked)
    held: dict[str, list[_Held]] = {}
    notes: list[str] = []
    for source in catalog.sources:
        for name, own, is_certain in _list_columns(source, features, feature_map[source.name], asked):
            column = _read(catalog, source, own, is_certain=is_certain) if holds_number(own) else None
            if column is not None:
                held.setdefault(name, []).append(column)
            elif asked.get(name, True):
                notes.append(
                    f'feature "{name}" is called as those are that hold task numbers, but is not one whole'
                    f" number a frame: its values are kept as they are"
                )
    _refuse_without_text(held)
    mapped = {name: each for name, each in held.items() if not any(column.unknown for column in each)}
    notes += [_describe_unmapped(name, each) for name, each in held.items() if name not in mapped]
    notes += [note for name in mapped for note in _note_filled(name, feature_map)]
    parts = [_set_feature(column.uses, name) for name, each in mapped.items() for column in each]
    catalog.engine.load("task_column_uses", pa.concat_tables([USES.empty_table(), *parts]))
    return tuple(mapped), tuple(dict.fromkeys(notes))


def _list_columns(
    source: Source, features: Sequence[Feature], takes: Mapping[str, SourceFeature], asked: Mapping[str, bool]
) -> Iterator[tuple[str, Feature, bool]]:
    """Yield the output's name of each column of a source that may hold task numbers, the source's feature,
    and whether it is certain."""
    candidates = {candidate.feature.name: candidate for candidate in list_candidates(source)}
    for feature in features:
        own = takes[feature.name].feature
        if own is None or feature.name in formats.DEFAULT_FEATURES:
            continue
        said = asked.get(own.name, asked.get(feature.name))
        candidate = candidates.get(own.name)
        if said or (said is None and candidate is not None):
            yield feature.name, own, bool(said) or (candidate is not None and candidate.is_declared)


def _read(catalog: Catalog, source: Source, own: Feature, *, is_certain: bool) -> _Held | None:
    uses = read_uses(catalog.engine, source, own)
    if uses is None:
        return None
    known = list_texts(catalog.engine, source)
    numbers = sorted(set(uses["src_task"].to_pylist()))
    return _Held(source, own, is_certain, uses, tuple(n for n in numbers if n not in known))


def _set_feature(uses: pa.Table, name: str) -> pa.Table:
    place = USES.get_field_index("feature")
    return uses.set_column(place, USES.field(place), repeat_text(name, len(uses)))


def _describe_unmapped(name: str, held: Sequence[_Held]) -> str:
    lacking = "; ".join(str(column) for column in held if column.unknown)
    return (
        f'feature "{name}" is called as those are that hold task numbers, but the task list has not all of'
        f" its numbers ({lacking}): its values are kept as they are"
    )


def _note_filled(name: str, feature_map: FeatureMap) -> Iterator[str]:
    """Yield a note if zeros are filled in: they are a task number, too."""
    filled = [source for source, takes in feature_map.items() if _is_zero(takes[name])]
    if filled:
        yield f'feature "{name}" holds task numbers: the zeros filled in for {few(filled)} name task 0'


def _is_zero(how: SourceFeature) -> bool:
    return how.feature is None and how.value is not None


def _refuse_without_text(held: Mapping[str, Sequence[_Held]]) -> None:
    lacking = [
        (name, column)
        for name, each in held.items()
        if any(column.is_certain for column in each)
        for column in each
        if column.unknown
    ]
    if lacking:
        name = lacking[0][0]
        raise SourceBroken(
            "features hold task numbers that have no text, or several, in the task list",
            hint=f"--task-column {name}=no, which keeps its numbers as they are, or --remove {name}",
            parts=[f'feature "{name}": {column}' for name, column in lacking],
        )


def _refuse_unknown(catalog: Catalog, features: Sequence[Feature], asked: Mapping[str, bool]) -> None:
    there = {f.name: f for f in (*features, *(f for s in catalog.sources for f in s.features))}
    unknown = [f'"{name}"{near(name, list(there))}' for name in asked if name not in there]
    if unknown:
        raise RequestError("there is no such feature for --task-column", parts=unknown)
    odd = [
        f'"{name}" is {f.dtype} of shape {list(f.shape)}'
        for name, said in asked.items()
        if said and not holds_number(f := there[name])
    ]
    if odd:
        raise RequestError("--task-column needs features of one whole number a frame", parts=odd)
