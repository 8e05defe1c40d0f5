"""Which features of an output hold task numbers beside task_index; they go with the task list as it does."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lecompose import formats
from lecompose.dataset.arrow_arrays import repeat_text
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.task_columns import (
    USES,
    holds_number,
    is_integer,
    is_usual_name,
    list_annotations,
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


@dataclass(frozen=True)
class _Column:
    """A feature of the output that may hold task numbers, and the features of the sources that have it.

    What one source's modality.json says counts for all sources.
    """

    name: str
    is_asked: bool
    is_declared: bool
    held: tuple[tuple[Source, Feature], ...]

    @property
    def is_certain(self) -> bool:
        return self.is_asked or self.is_declared

    @property
    def is_renamed(self) -> bool:
        return any(own.name != self.name for _, own in self.held)


@dataclass(frozen=True)
class TaskColumns:
    """The features that hold task numbers, those of them that only their names tell, and notes."""

    names: tuple[str, ...]
    by_name: tuple[str, ...]
    notes: tuple[str, ...]


def find_task_columns(
    catalog: Catalog,
    features: Sequence[Feature],
    feature_map: FeatureMap,
    asked: Mapping[str, bool],
    *,
    modality: bytes | None,
) -> TaskColumns:
    """Return the features that hold task numbers, with notes on those that only look so; make
    `task_column_uses`, by the names that the output has for them.

    `asked` says of features, by the sources' names or the output's, whether they are task numbers;
    `modality` is the output's modality.json.

    Raises:
        RequestError: for features in `asked` that are not there, or no whole numbers.
        SourceBroken: if columns that certainly hold task numbers have some that the task list has not.
    """
    _refuse_unknown(catalog, features, asked)
    mapped: list[tuple[_Column, list[_Held]]] = []
    lacking: dict[str, list[_Held]] = {}
    notes: list[str] = []
    for column in _list_columns(catalog, features, feature_map, asked):
        each = [_read(catalog, source, own, is_certain=column.is_certain) for source, own in column.held]
        held = [one for one in each if one is not None]
        if len(held) < len(each):
            notes += _note_odd(column)
        elif any(one.unknown for one in held):
            lacking[column.name] = held
        elif column.is_certain or _is_plausible(catalog, column, held):
            mapped.append((column, held))
        else:
            notes += _note_doubtful(column, held)
    _refuse_without_text(lacking)
    notes += [_describe_unmapped(name, each) for name, each in lacking.items()]
    notes += [note for column, _ in mapped for note in _note_filled(column.name, feature_map)]
    notes += [note for column, _ in mapped for note in _note_forgotten(column, modality)]
    parts = [_set_feature(one.uses, column.name) for column, each in mapped for one in each]
    catalog.engine.load("task_column_uses", pa.concat_tables([USES.empty_table(), *parts]))
    by_name = tuple(column.name for column, _ in mapped if not column.is_certain)
    return TaskColumns(tuple(column.name for column, _ in mapped), by_name, tuple(dict.fromkeys(notes)))


def _list_columns(
    catalog: Catalog, features: Sequence[Feature], feature_map: FeatureMap, asked: Mapping[str, bool]
) -> Iterator[_Column]:
    """Yield the features that may hold task numbers: what is said of one source's counts for all."""
    candidates = {s.name: {c.feature.name: c for c in list_candidates(s)} for s in catalog.sources}
    for feature in features:
        if feature.name in formats.DEFAULT_FEATURES:
            continue
        takes = [(s, feature_map[s.name][feature.name].feature) for s in catalog.sources]
        held = tuple((source, own) for source, own in takes if own is not None)
        said = [asked[name] for name in (feature.name, *(own.name for _, own in held)) if name in asked]
        looks = [candidates[s.name][own.name] for s, own in held if own.name in candidates[s.name]]
        if any(said) or (looks and not said):
            yield _Column(feature.name, any(said), any(look.is_declared for look in looks), held)


def _read(catalog: Catalog, source: Source, own: Feature, *, is_certain: bool) -> _Held | None:
    uses = read_uses(catalog.engine, source, own.name) if holds_number(own) else None
    if uses is None:
        return None
    known = list_texts(catalog.engine, source)
    numbers = sorted(set(uses["src_task"].to_pylist()))
    return _Held(source, own, is_certain, uses, tuple(n for n in numbers if n not in known))


def _is_plausible(catalog: Catalog, column: _Column, held: Sequence[_Held]) -> bool:
    """Return whether a column that only its name tells of is one of task numbers.

    It is if GR00T's tools call it so, or if it has a number whose text no frame's task_index names: a flag
    of 0 and 1 cannot be told from the tasks of the frames.
    """
    return any(is_usual_name(one.feature.name) for one in held) or any(
        not set(one.uses["src_task"].to_pylist()) <= _read_frame_tasks(catalog, one.source) for one in held
    )


def _read_frame_tasks(catalog: Catalog, source: Source) -> set[int]:
    uses = read_uses(catalog.engine, source, "task_index")
    return set() if uses is None else set(uses["src_task"].to_pylist())


def _note_odd(column: _Column) -> Iterator[str]:
    """Yield a note on a column with other than whole numbers, unless only its name tells of task numbers.

    Raises:
        RequestError: if it is asked for.
    """
    kinds = ", ".join(dict.fromkeys(f"{own.dtype} of shape {list(own.shape)}" for _, own in column.held))
    if column.is_asked:
        raise RequestError(
            "--task-column needs features of one whole number a frame",
            parts=[f'"{column.name}" has others ({kinds})'],
        )
    if column.is_declared or any(is_integer(own) for _, own in column.held):
        yield (
            f'feature "{column.name}" is called as those are that hold task numbers, but is not one whole'
            f" number a frame: its values are kept as they are"
        )


def _note_doubtful(column: _Column, held: Sequence[_Held]) -> Iterator[str]:
    if any(len(one.uses) for one in held):
        yield (
            f'feature "{column.name}" may hold task numbers, by its name, or other values: they are kept as'
            f" they are; --task-column {column.name} numbers them as the tasks,"
            f" --task-column {column.name}=no says that they are none"
        )


def _note_forgotten(column: _Column, modality: bytes | None) -> Iterator[str]:
    """Yield a note if the output does not tell any more that a column holds task numbers."""
    was_told = column.is_renamed or (column.is_declared and not column.is_asked)
    if was_told and not is_usual_name(column.name) and column.name not in _list_annotations(modality):
        yield (
            f'feature "{column.name}" holds task numbers, and neither its name nor {formats.MODALITY_PATH}'
            f" of the output says so: later operations need --task-column {column.name}"
        )


def _list_annotations(modality: bytes | None) -> list[str]:
    try:
        said = json.loads(modality or b"{}")
    except ValueError:
        return []
    return list_annotations(said) if isinstance(said, dict) else []


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
            hint=f"--task-column {shlex.quote(f'{name}=no')}, which keeps its numbers as they are,"
            f" or --remove {shlex.quote(name)}",
            parts=[f'feature "{name}": {column}' for name, column in lacking],
        )


def _refuse_unknown(catalog: Catalog, features: Sequence[Feature], asked: Mapping[str, bool]) -> None:
    there = {f.name: f for f in (*features, *(f for s in catalog.sources for f in s.features))}
    unknown = [f'"{name}"{near(name, list(there))}' for name in asked if name not in there]
    if unknown:
        raise RequestError("there is no such feature for --task-column", parts=unknown)
    odd = [
        f'"{name}" is {f.dtype} of shape {list(f.shape)}'
        + (", one of LeRobot's own features" if name in formats.DEFAULT_FEATURES else "")
        for name, said in asked.items()
        for f in [there[name]]
        if said and (name in formats.DEFAULT_FEATURES or not holds_number(f))
    ]
    if odd:
        raise RequestError("--task-column needs features of one whole number a frame", parts=odd)
