"""The per-episode statistics that sources carry → the relation `stored_stats`.

One row an episode, one flat DOUBLE[] column per feature and statistic, named `feature/stat`; null where a
source has none, or has one of another size than the feature's (per-pixel statistics, say). Quantiles are
the usual ones and whatever others a source has.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.concurrency import map_ahead
from lecompose.dataset.arrow_arrays import repeat_text, wrap_lists
from lecompose.dataset.catalog import Catalog, Source, episode_number
from lecompose.dataset.catalog.data_files import read_arrow_schema
from lecompose.dataset.feature_map import FeatureMap
from lecompose.files.json_files import read_json, read_json_lines
from lecompose.files.parquet.damage import reading_parquet
from lecompose.formats import STATS, Feature

_NUMBERS = pa.list_(pa.float64())
Names: TypeAlias = Callable[[Source], dict[str, str]]
"""What each feature of a source goes by."""
_Wanted: TypeAlias = dict[str, Feature]
_Choose: TypeAlias = Callable[[Source, Iterable[str]], _Wanted]
"""The columns to make of a source's statistics, `feature/stat` each, where it has these other quantiles."""
_File: TypeAlias = tuple[Source, _Wanted, str]
"""A file of an episode list, whose it is, and the columns to make of it."""

DIVIDED = "statistics of colours from 0 to 255 were divided by 255, as LeRobot has them"
_KEYS = ("src_dataset", "src_episode")
# The highest value of colours from 0 to 1, and one of those from 0 to 255 only: others may be normalised.
_MOST, _SURELY_BYTES = 1.01, 4
# Of sources' statistics so much is held beside the engine's copy.
_TOGETHER_BYTES = 2**24


def register_stored_stats(catalog: Catalog) -> "Loaded":
    """Make the relation `stored_stats` for the episodes of all sources, each by its own features.

    Raises:
        SourceBroken: where a statistics file cannot be read.
    """
    features = [f for source in catalog.sources for f in source.features]
    tables = _read_batched(catalog, lambda source: {f.name: f.name for f in source.features})
    return load_tables(catalog, tables, {f.name for f in features if f.is_visual and not f.is_depth})


def read_tables(catalog: Catalog, takes: FeatureMap, wanted: Collection[str]) -> Iterator[pa.Table]:
    """Yield what `stored_stats` is made of, for the stages.

    By the output's names, the columns that are `wanted`.

    A feature that a source lacks, or of which its statistics are true no more, has no statistics of it.
    Safe from any thread.

    Raises:
        SourceBroken: where a statistics file cannot be read.
    """

    def names(source: Source) -> dict[str, str]:
        held = takes[source.name].items()
        return {how.feature.name: name for name, how in held if how.feature and how.has_stats}

    return _read_batched(catalog, names, wanted)


@dataclass(frozen=True)
class Loaded:
    """The columns of `stored_stats`, `feature/stat` each, and the sources and features that were divided."""

    columns: frozenset[str]
    divided: frozenset[tuple[str, str]]


def load_tables(catalog: Catalog, tables: Iterable[pa.Table], colours: Collection[str]) -> Loaded:
    """Make `stored_stats`; statistics of the features in `colours` that are from 0 to 255 are divided."""
    drop_stored_stats(catalog)
    relations, columns, divided = [], set[str](), set[tuple[str, str]]()
    for number, table in enumerate(tables):
        relations.append(_relation(number))
        columns.update(table.column_names)
        for name in colours:
            table, sources = divide_colours(table, name)
            divided |= {(source, name) for source in sources}
        catalog.engine.load(relations[-1], table)
    catalog.engine.view("stored_stats", "catalog/union", {"relations": relations})
    return Loaded(frozenset(columns.difference(_KEYS)), frozenset(divided))


def divide_colours(table: pa.Table, name: str) -> tuple[pa.Table, frozenset[str]]:
    """Return the table with a feature's statistics from 0 to 1, and the sources of which some were not.

    LeRobot divides pictures by 255 before it measures them; other tools have not. What is a little above 1 is
    taken for such where the source has episodes that can be nothing else.
    """
    at = table.schema.get_field_index(f"{name}/max")
    if at < 0 or not table.num_rows:
        return table, frozenset()
    highest = [max(values, default=0.0) if values else 0.0 for values in table.column(at).to_pylist()]
    of_source = np.array(table["src_dataset"].to_pylist(), object)
    sources = frozenset(of_source[np.array(highest) > _SURELY_BYTES].tolist())
    if not sources:
        return table, frozenset()
    is_beyond = (np.array(highest) > _MOST) & np.isin(of_source, list(sources))
    for place, column in enumerate(table.column_names):
        feature, _, stat = column.rpartition("/")
        if feature == name and stat != "count":
            rows = zip(table.column(place).to_pylist(), is_beyond.tolist(), strict=True)
            numbers = [[n / 255 for n in row] if row and beyond else row for row, beyond in rows]
            table = table.set_column(place, column, pa.array(numbers, _NUMBERS))
    return table, sources


def drop_stored_stats(catalog: Catalog) -> None:
    """Give back the memory of `stored_stats`: of large datasets it is most of what is held."""
    engine = catalog.engine
    engine.drop(*(name for n in range(len(catalog.sources)) if engine.has(name := _relation(n))))


def _relation(number: int) -> str:
    return f"stored_stats_{number}"


def _read_batched(
    catalog: Catalog, names: Names, wanted: Collection[str] | None = None
) -> Iterator[pa.Table]:
    """Many small shares become one relation: each would cost a plan."""
    for together in _batches(_read_shares(catalog, names, wanted)):
        yield pa.concat_tables(together, promote_options="default")


def _batches(shares: Iterable[pa.Table]) -> Iterator[list[pa.Table]]:
    """Neighbours, as many as may be held twice."""
    held: list[pa.Table] = []
    size = 0
    for share in shares:
        held.append(share)
        size += share.nbytes
        if size > _TOGETHER_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _read_shares(catalog: Catalog, names: Names, wanted: Collection[str] | None) -> Iterator[pa.Table]:
    """Yield the statistics of the sources' episodes; of neighbours that are alike as one."""
    alike = groupby(catalog.sources, key=lambda source: (source.is_v3, _shape(source), names(source)))
    for (is_v3, _, own), group in alike:
        sources, choose = list(group), partial(_choose_columns, own, wanted)
        shares = (
            _read_v3(sources, choose, threads=catalog.engine.threads)
            if is_v3
            else (_read_v2(catalog, source, choose(source, ())) for source in sources)
        )
        for share in shares:
            yield _rename_columns(share, own)


def _shape(source: Source) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(f.name, f.dtype, f.shape) for f in source.features]


def _rename_columns(share: pa.Table, own: Mapping[str, str]) -> pa.Table:
    """By the names that features shall go by; without those that have none."""
    pairs = [(name, *name.rpartition("/")[::2]) for name in share.column_names if name not in _KEYS]
    columns = {stored: f"{own[feature]}/{stat}" for stored, feature, stat in pairs if feature in own}
    return share.select([*_KEYS, *columns]).rename_columns([*_KEYS, *columns.values()])


def _read_v2(catalog: Catalog, source: Source, wanted: _Wanted) -> pa.Table:
    if source.version == formats.V21 and _stats_file(source).is_file():
        return _read_v21(source, wanted)
    return _repeat_whole(catalog, source, wanted)


def _choose_columns(
    own: Mapping[str, str], wanted: Collection[str] | None, source: Source, other_quantiles: Iterable[str]
) -> _Wanted:
    """Return the columns to make: those that are wanted, or all of the features that go by a name."""
    kept = [*STATS, *other_quantiles]
    return {
        f"{f.name}/{stat}": f
        for f in source.features
        for stat in kept
        if f.has_stats and f.name in own and (wanted is None or f"{own[f.name]}/{stat}" in wanted)
    }


def list_quantiles(catalog: Catalog) -> list[str]:
    """Return the quantiles, such as q05, that are none of the usual ones and that some source has."""
    return sorted({q for source in catalog.sources for q in _other_quantiles(source)})


def _other_quantiles(source: Source) -> list[str]:
    """Return the quantiles, such as q05, that only some datasets have, and none before v3.0."""
    return _quantiles_in(read_arrow_schema(source.episode_files[0])) if source.is_v3 else []


def _quantiles_in(schema: pa.Schema) -> list[str]:
    stats = {name.rpartition("/")[2] for name in schema.names if name.startswith("stats/")}
    return sorted(stat for stat in stats - set(STATS) if re.fullmatch(r"q\d\d", stat))


def _read_whole(source: Source) -> dict[str, Any]:
    path = source.root / "meta" / "stats.json"
    return read_json(path) if path.is_file() else {}


def _repeat_whole(catalog: Catalog, source: Source, wanted: dict[str, Feature]) -> pa.Table:
    """v2.0 says of its cameras what holds over the whole dataset, and nothing per episode."""
    said = _read_whole(source)
    found = {name: _numbers_of_size(said, name, f) for name, f in wanted.items() if f.is_visual}
    present = {name: values for name, values in found.items() if values is not None}
    cameras = {name.rpartition("/")[0] for name in present}
    rows = catalog.lengths(source)
    columns: dict[str, pa.Array] = {}
    for name in wanted:
        feature, _, stat = name.rpartition("/")
        if feature in cameras and stat == "count":
            columns[name] = pa.array([[float(row.length)] for row in rows], _NUMBERS)
        elif name in present:
            columns[name] = pa.array([present[name]] * len(rows), _NUMBERS)
        else:
            columns[name] = pa.nulls(len(rows), _NUMBERS)
    episodes = pa.array([row.src_episode for row in rows], pa.int64())
    return pa.table({"src_dataset": repeat_text(source.name, len(rows)), "src_episode": episodes, **columns})


def _read_v3(sources: Sequence[Source], choose: _Choose, *, threads: int) -> Iterator[pa.Table]:
    """Read with Arrow: to DuckDB a file of many columns in many row groups costs five times as much.

    `sources` have the same features. What lies in files that are alike is taken apart together.
    """
    held: list[tuple[Source, pa.Table]] = []
    wanted: dict[str, Feature] = {}
    size = 0
    for source, names, rows in map_ahead(_read_one, _v3_files(sources, choose), threads=threads):
        if held and (
            size > _TOGETHER_BYTES or names.keys() != wanted.keys() or rows.schema != held[-1][1].schema
        ):
            yield _flatten_columns(held, wanted)
            held, size = [], 0
        held.append((source, rows))
        wanted, size = names, size + rows.get_total_buffer_size()
    yield _flatten_columns(held, wanted)


def _v3_files(sources: Sequence[Source], choose: _Choose) -> Iterator[_File]:
    chosen: dict[tuple[str, ...], _Wanted] = {}
    for source in sources:
        other = tuple(_other_quantiles(source))
        if other not in chosen:
            chosen[other] = choose(source, other)
        wanted = chosen[other]
        for path in source.episode_files:
            yield source, wanted, str(path)


def _read_one(file: _File) -> tuple[Source, _Wanted, pa.Table]:
    source, wanted, path = file
    return source, wanted, _read_file(source, path, wanted)


def _read_file(source: Source, path: str, wanted: Iterable[str]) -> pa.Table:
    """Return what is wanted of a file, as it is; some writers add columns on the way. Raises SourceBroken."""
    with reading_parquet(path):
        with pq.ParquetFile(path) as file:
            columns = ["episode_index", *(f"stats/{name}" for name in wanted)]
            held = file.read(columns=columns, use_threads=False)
        names = held.column_names
        if len(set(names)) < len(names):  # by its name neither of two could be had
            held = held.select([names.index(name) for name in dict.fromkeys(names)])
        at, numbers = held.schema.get_field_index("episode_index"), _column(held, "episode_index")
        if numbers.type != pa.int64():  # a cast, even to what is there, first loads all of Arrow's functions
            numbers = numbers.cast(pa.int64())
        return held.set_column(at, "episode_index", numbers)


def _flatten_columns(held: Sequence[tuple[Source, pa.Table]], wanted: dict[str, Feature]) -> pa.Table:
    """Stored columns as flat lists, null where one is not there."""
    rows = pa.concat_tables([table for _, table in held])
    columns = dict.fromkeys(wanted, pa.nulls(rows.num_rows, _NUMBERS))
    for name, feature in wanted.items():
        if f"stats/{name}" in rows.column_names:
            size = 1 if name.endswith("/count") else feature.stat_size
            columns[name] = _flatten(_column(rows, f"stats/{name}"), size)
    sources = [repeat_text(source.name, table.num_rows) for source, table in held]
    keys = {"src_dataset": pa.concat_arrays(sources), "src_episode": _column(rows, "episode_index")}
    return pa.table(keys | columns)


def _column(table: pa.Table, name: str) -> pa.Array:
    """Return a column in one piece.

    Raises:
        ArrowInvalid: where there is none.
    """
    at = table.schema.get_all_field_indices(name)
    if not at:
        raise pa.ArrowInvalid(f"there is no column {name}")
    return table.column(at[0]).combine_chunks()


def _flatten(column: pa.Array, size: int) -> pa.Array:
    """Nested lists of numbers as flat ones; null for those of another size."""
    offsets, values = np.arange(len(column) + 1), column
    while pa.types.is_list(values.type) and not values.null_count:
        offsets, values = values.offsets.to_numpy()[offsets], values.values
    numeric = pa.types.is_floating(values.type) or pa.types.is_integer(values.type)
    if not numeric or values.null_count or (np.diff(offsets) != size).any():
        return _flatten_one_by_one(column, size)
    start, end = offsets[[0, -1]]
    numbers = values.slice(start, end - start).to_numpy().astype(np.float64, copy=False)
    return wrap_lists(offsets - start, numbers)


def _flatten_one_by_one(column: pa.Array, size: int) -> pa.Array:
    rows = (flatten_numbers(value) for value in column.to_pylist())
    return pa.array([row if len(row) == size else None for row in rows], _NUMBERS)


def _stats_file(source: Source) -> Path:
    return source.root / "meta" / "episodes_stats.jsonl"


def _read_v21(source: Source, wanted: _Wanted) -> pa.Table:
    lines = dict(_v21_lines(_stats_file(source)))  # of two lines of one episode, the later one
    said = list(lines.values())
    columns = {name: _v21_column(said, name, feature) for name, feature in wanted.items()}
    names = repeat_text(source.name, len(lines))
    return pa.table({"src_dataset": names, "src_episode": pa.array(lines, pa.int64()), **columns})


def _v21_column(lines: Sequence[dict[str, Any]], name: str, feature: Feature) -> pa.Array:
    """One statistic of all episodes as flat lists, null where one has none of the feature's size."""
    key, _, stat = name.rpartition("/")
    size = 1 if stat == "count" else feature.stat_size
    try:
        numbers = np.asarray([stats[key][stat] for stats in lines])
    except (KeyError, TypeError, ValueError, IndexError):
        numbers = np.empty(0, object)
    # Where all say the same kind of thing there is no need to look at each number.
    if numbers.dtype.kind in "iuf" and numbers.size == len(lines) * size:
        return wrap_lists(np.arange(len(lines) + 1) * size, numbers.ravel().astype(np.float64))
    return pa.array([_numbers_of_size(stats, name, feature) for stats in lines], _NUMBERS)


def _v21_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    return read_json_lines(path, _episode_and_stats, what="an episode's statistics")


def _episode_and_stats(row: Any) -> tuple[int, dict[str, Any]]:
    return episode_number(row["episode_index"]), dict(row["stats"])


def _numbers_of_size(stats: dict[str, Any], name: str, feature: Feature) -> list[float] | None:
    key, _, stat = name.rpartition("/")
    said = stats.get(key)
    if not isinstance(said, dict) or stat not in said:
        return None
    flat = flatten_numbers(said[stat])
    size = 1 if stat == "count" else feature.stat_size
    return flat if len(flat) == size else None


def flatten_numbers(value: Any) -> list[float]:
    """Return the numbers in a nested list, in order."""
    if isinstance(value, list):
        if all(isinstance(x, int | float) for x in value):  # the usual case, and there are many
            return [float(x) for x in value]
        return [x for inner in value for x in flatten_numbers(inner)]
    return [float(value)] if isinstance(value, int | float) else []
