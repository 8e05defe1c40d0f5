"""New columns: an SQL expression over the frames, or an array → a feature, and its value for each frame.

The values are computed once, checked against the dtype and shape that were declared, and kept in the scratch
folder as an Arrow file, from which the data stage takes those of each episode by their place.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from lecompose import formats
from lecompose.composition.feature_spec import FeatureSpec
from lecompose.composition.open_sources import OpenSources, refuse_broken
from lecompose.dataset.arrow_schema import cast_exactly
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.convert import first_misfit, number_type
from lecompose.dataset.feature_map import SetDimension
from lecompose.dataset.query_views import Views, open_views
from lecompose.errors import QueryError, RequestError, SourceBroken
from lecompose.formats import Feature, feature

Values: TypeAlias = np.ndarray | tuple[np.ndarray, Mapping[str, Any]]
"""A value for each frame, episode by episode; and perhaps what info.json is to say of them."""


@dataclass(frozen=True)
class ComputedFeature:
    """One new column, or a `dimension` of a vector.

    `rows` says at which row of the file an episode begins.
    """

    feature: Feature
    path: Path
    rows: Mapping[tuple[str, int], int]
    dimension: int | None = None

    @cached_property
    def _values(self) -> pa.ChunkedArray:
        # Mapped, not read: what is not asked for costs nothing.
        with pa.memory_map(str(self.path)) as mapped:
            return pa.ipc.open_file(mapped).read_all().column(0)

    def of(self, source: str, episode: int, frames: range) -> list[pa.Array]:
        """Return the values of consecutive frames of an episode, as arrays in order."""
        values = self._values.slice(self.rows[source, episode] + frames.start, len(frames))
        chunks: list[pa.Array] = values.chunks
        return chunks


def compute_features(
    sources: OpenSources, new_features: Sequence[FeatureSpec], values: Mapping[str, Values], *, scratch: Path
) -> tuple[ComputedFeature, ...]:
    """Return the new features, those of given `values` first; their values are now in files in `scratch`.

    Raises:
        SourceBroken: for sources whose frames are not all there to compute from.
        QueryError: for an expression that DuckDB refuses, or a value that dtype or shape cannot hold.
        RequestError: for values that are not one for each frame, and for types that no feature has.
    """
    if not new_features and not values:
        return ()
    catalog = sources.catalog
    refuse_broken(catalog, sources.broken, retimed=sources.off_grid)
    given = [
        store_values(catalog, *pair, scratch / f"given-{n}.arrow") for n, pair in enumerate(values.items())
    ]
    if not new_features:
        return tuple(given)
    with open_views(catalog) as views:
        computed = [
            compute_feature(views, spec, scratch / f"added-{n}.arrow") for n, spec in enumerate(new_features)
        ]
    return (*given, *computed)


def compute_dimensions(
    sources: OpenSources, wanted: Sequence[SetDimension], *, scratch: Path
) -> tuple[ComputedFeature, ...]:
    """Return the dimensions of vectors that SQL gives; their values are now in files in `scratch`.

    Raises:
        SourceBroken: for sources whose frames are not all there to compute from.
        QueryError: for an expression that DuckDB refuses, a null, or a value that the dtype cannot hold.
    """
    if not wanted:
        return ()
    refuse_broken(sources.catalog, sources.broken, retimed=sources.off_grid)
    with open_views(sources.catalog) as views:
        return tuple(
            _compute_dimension(views, each, scratch / f"set-{n}.arrow") for n, each in enumerate(wanted)
        )


def _compute_dimension(views: Views, wanted: SetDimension, path: Path) -> ComputedFeature:
    declared = replace(wanted.feature, name=wanted.title)
    with views.frame_values(wanted.sql) as reader:
        made = _store_batches(declared, _only_of(reader, wanted.sources), path)
    return replace(made, feature=wanted.feature, dimension=wanted.dimension)


def _only_of(reader: pa.RecordBatchReader, sources: Collection[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of some sources."""
    for batch in reader:
        own = np.isin(batch["src_dataset"].to_numpy(zero_copy_only=False).astype(str), list(sources))
        if own.any():
            yield batch if own.all() else batch.filter(pa.array(own))


@dataclass(frozen=True)
class _EpisodeLength:
    src_dataset: str
    src_episode: int
    length: int


def compute_feature(views: Views, spec: FeatureSpec, path: Path) -> ComputedFeature:
    """Write the values of a feature that SQL computes to a new file at `path`; return the feature.

    Raises:
        QueryError: for an expression that DuckDB refuses; for a value that dtype or shape cannot hold, with
            its frame.
        RequestError: for a type that no feature has.
    """
    with views.frame_values(spec.sql) as reader:
        batches = (batch for batch in reader if batch.num_rows)
        first = next(batches, None)
        if first is None:
            raise RequestError("there are no frames to compute it from", feature=spec.name)
        declared = _keep_names(_infer_feature(spec, first), views.catalog)
        return _store_batches(declared, chain([first], batches), path)


def _keep_names(made: Feature, catalog: Catalog) -> Feature:
    """Return a feature with the names of the one that it takes the place of, if all sources say the same."""
    old = [f for source in catalog.sources for f in source.features if f.name == made.name]
    names = [f.spec.get("names") for f in old if f.shape == made.shape and not f.is_visual]
    if len(names) != len(catalog.sources) or any(n != names[0] for n in names):
        return made
    return feature(made.name, dict(made.spec) | {"names": names[0]})


def store_values(catalog: Catalog, name: str, values: Values, path: Path) -> ComputedFeature:
    """Write the given values of the feature `name` to a new file at `path`; return the feature.

    Raises:
        RequestError: for values that are not one for each frame.
        QueryError: for a value that dtype or shape cannot hold, with its frame.
    """
    numbers, spec = values if isinstance(values, tuple) else (values, {})
    numbers = np.asarray(numbers)
    declared = _given_feature(name, numbers, spec)
    episodes = catalog.engine.records("plan/lengths", _EpisodeLength)
    frames = sum(episode.length for episode in episodes)
    if not numbers.ndim or len(numbers) != frames:
        shape = list(numbers.shape)
        raise RequestError(f"there are {frames} frames, and the values have shape {shape}", feature=name)
    ends = np.cumsum([episode.length for episode in episodes])
    batches = (
        _batch(episode, numbers[end - episode.length : end], declared.shape)
        for episode, end in zip(episodes, ends, strict=True)
        if episode.length
    )
    return _store_batches(declared, batches, path)


def _store_batches(declared: Feature, batches: Iterable[pa.RecordBatch], path: Path) -> ComputedFeature:
    """Write a feature's values to a new file at `path`. Raises QueryError for one that does not fit."""
    schema = pa.schema([formats.arrow_field(declared)])
    rows: dict[tuple[str, int], int] = {}
    at = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as written:
        for batch in batches:
            for key, start in _begins(batch):
                rows.setdefault(key, at + start)
            values = _Values(declared, batch).array()
            written.write_batch(pa.RecordBatch.from_arrays([values], schema=schema))
            at += batch.num_rows
    return ComputedFeature(declared, path, rows)


def _given_feature(name: str, numbers: np.ndarray, spec: Mapping[str, Any]) -> Feature:
    kind = "string" if numbers.dtype.kind in "UO" else numbers.dtype.name
    own = {"dtype": kind, "shape": list(numbers.shape[1:]) or [1], "names": None}
    try:
        declared = feature(name, own | dict(spec))
    except SourceBroken as error:
        raise RequestError(error.problem, reason=error.reason, feature=name) from error
    if formats.arrow_field(declared) is None or declared.is_visual:
        raise RequestError(f"{declared.dtype} cannot be made from an array", feature=name)
    return declared


def _batch(episode: _EpisodeLength, numbers: np.ndarray, shape: tuple[int, ...]) -> pa.RecordBatch:
    """Return the values of an episode as SQL would give them."""
    if shape == (1,) == numbers.shape[1:]:
        numbers = numbers[:, 0]
    leaves = pa.array(numbers.ravel().tolist() if numbers.dtype == object else numbers.ravel())
    length = len(numbers)
    return pa.RecordBatch.from_pydict(
        {
            "src_dataset": [episode.src_dataset] * length,
            "src_episode": [episode.src_episode] * length,
            "frame_index": range(length),
            "value": _nest(leaves, numbers.shape[1:]),
        }
    )


def _begins(batch: pa.RecordBatch) -> Iterator[tuple[tuple[str, int], int]]:
    """Yield each episode of a batch, and the row at which it begins there."""
    episodes = batch["src_episode"].to_numpy()
    sources = batch["src_dataset"].dictionary_encode()
    numbers = sources.indices.to_numpy()
    changes = (np.diff(episodes) != 0) | (np.diff(numbers) != 0)
    for row in (0, *(np.flatnonzero(changes) + 1).tolist()):
        yield (batch["src_dataset"][row].as_py(), int(episodes[row])), row


# What it is -------------------------------------------------------------------------------------


def _infer_feature(spec: FeatureSpec, batch: pa.RecordBatch) -> Feature:
    """Return the feature that a request makes, given the first values of its expression."""
    kind, value = batch["value"].type, batch["value"][0].as_py()
    sizes: list[int] = []
    while formats.is_list(kind):
        kind, sizes = kind.value_type, [*sizes, len(value) if value is not None else 0]
        value = value[0] if value else None
    dtype = spec.dtype or _dtype(kind, spec.name)
    shape = spec.shape or tuple(sizes) or (1,)
    if not all(shape):
        raise QueryError(
            "its first value is empty", hint=f"its shape, {spec.name}:{dtype}[6]", feature=spec.name
        )
    return feature(spec.name, {"dtype": dtype, "shape": list(shape), "names": None})


def _dtype(kind: pa.DataType, name: str) -> str:
    """The dtype of an SQL type: numbers as LeRobot's recorders have them, where SQL leaves a choice."""
    types = pa.types
    if types.is_boolean(kind):
        return "bool"
    if types.is_string(kind):
        return "string"
    if types.is_integer(kind):
        return "int64"
    if types.is_decimal(kind) or kind == pa.float32():
        return "float32"
    if kind == pa.float64():
        return "float64"
    raise RequestError(f"no feature holds {kind}", hint="a cast in the expression, ::varchar", feature=name)


@dataclass(frozen=True)
class _Values:
    """The values of one batch, on their way to the type that was declared."""

    feature: Feature
    batch: pa.RecordBatch

    def array(self) -> pa.Array:
        """Return the values. Raises QueryError naming the first frame whose value does not fit."""
        import pyarrow.compute as pc  # slow to load, and few requests add features

        field = formats.arrow_field(self.feature)
        assert field is not None  # language is refused before
        sizes = () if self.feature.shape == (1,) else self.feature.shape
        leaves, rows = self.batch["value"], np.arange(self.batch.num_rows)
        for size in sizes:
            self._refuse(leaves, rows, leaves.is_null(), "is null. Try: coalesce(…, [0, …])")
            if not formats.is_list(leaves.type):
                raise self._error(0, f"is {leaves.type}, not of shape {list(self.feature.shape)}")
            unequal = pc.not_equal(pc.list_value_length(leaves), size)
            self._refuse(leaves, rows, unequal, f"is not of shape {list(self.feature.shape)}")
            leaves, rows = leaves.flatten(), np.repeat(rows, size)
        self._refuse(leaves, rows, leaves.is_null(), "is null. Try: coalesce(…, 0)")
        values = self._leaves(leaves, rows, number_type(field.type))
        return cast_exactly(_nest(values, sizes), field.type)

    def _leaves(self, leaves: pa.Array, rows: np.ndarray, kind: pa.DataType) -> pa.Array:
        """The single values as the dtype that was declared; numbers are never rounded to whole ones."""
        have = pa.float64() if pa.types.is_decimal(leaves.type) else leaves.type
        if have == kind:
            return leaves
        if not _are_alike(have, kind):
            raise self._error(0, f"is {have}, and {self.feature.dtype} was asked for. Try: a cast in SQL")
        numbers = leaves.cast(pa.uint8() if pa.types.is_boolean(have) else have)
        unfit = first_misfit(numbers, kind)
        if unfit is not None:
            value = numbers[unfit].as_py()
            raise self._error(int(rows[unfit]), f"is {value}, which does not fit {self.feature.dtype}")
        return numbers.cast(kind, safe=False)

    def _refuse(self, values: pa.Array, rows: np.ndarray, wrong: pa.Array, what: str) -> None:
        import pyarrow.compute as pc

        if (at := pc.index(pc.fill_null(wrong, True), True).as_py()) >= 0:
            raise self._error(int(rows[at]), what)

    def _error(self, row: int, what: str) -> QueryError:
        keys = ("src_dataset", "src_episode", "frame_index")
        source, episode, frame = (self.batch[name][row].as_py() for name in keys)
        where = f'source "{source}", episode {episode}, frame {frame}'
        return QueryError(f"the value in {where} {what}", feature=self.feature.name)


def _nest(values: pa.Array, sizes: Sequence[int]) -> pa.Array:
    """Single values as lists of lists of these sizes."""
    for size in reversed(sizes):
        offsets = pa.array(np.arange(0, len(values) + 1, size), pa.int32())
        values = pa.ListArray.from_arrays(offsets, values)
    return values


def _are_alike(have: pa.DataType, kind: pa.DataType) -> bool:
    """Whether values of one type can be of another: truth can be counted, but nothing else becomes truth."""
    types = pa.types
    is_number = [types.is_integer(t) or types.is_floating(t) for t in (have, kind)]
    return bool(is_number[1] and (is_number[0] or types.is_boolean(have)))
