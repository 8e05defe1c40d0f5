"""The per-episode statistics that sources carry → the relation `carried_stats`.

One row an episode, one flat DOUBLE[] column per feature and statistic, named `feature/stat`; null where a
source has none, or has one of another size than the feature's (per-pixel statistics, say). Quantiles are
the usual ones and whatever others a source has.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.catalog import Catalog, Source, episode_number, parsed, read_json
from lecompose.errors import SourceBroken
from lecompose.formats import STATS, Feature
from lecompose.mapping import Takes

_NUMBERS = pa.list_(pa.float64())


def register(catalog: Catalog) -> None:
    """Make the relation `carried_stats` for the episodes of all sources, each by its own features.

    Errors: SourceBroken where a statistics file cannot be read.
    """
    _read(catalog)
    relations = [source.relation("stats") for source in catalog.sources]
    catalog.engine.view("carried_stats", "catalog/union", {"relations": relations})


def take(catalog: Catalog, takes: Takes) -> frozenset[str]:
    """Make `carried_stats` go by the output's names, for the stages; its columns, `feature/stat` each.

    A feature that a source lacks, or of which its statistics are true no more, has no statistics of it.
    """
    _read(catalog)
    sources: list[dict[str, Any]] = []
    for source in catalog.sources:
        own = {how.feature.name: n for n, how in takes[source.name].items() if how.feature and how.has_stats}
        pairs = [(name, *name.rpartition("/")[::2]) for name in _columns_of(catalog, source)]
        columns = [{"stored": s, "name": f"{own[f]}/{stat}"} for s, f, stat in pairs if f in own]
        sources.append({"relation": source.relation("stats"), "columns": columns})
    catalog.engine.view("carried_stats", "stats/taken", {"sources": sources})
    return frozenset(column["name"] for source in sources for column in source["columns"])


def forget(catalog: Catalog) -> None:
    """Give back the memory that `register` took: of large datasets it is most of what is held."""
    catalog.engine.drop(*(source.relation("stats") for source in catalog.sources))


def _read(catalog: Catalog) -> None:
    """Make each source's share, unless an earlier call did: users' SQL may ask before the stages do."""
    for source in catalog.sources:
        if catalog.engine.has(source.relation("stats")):
            continue
        if source.version == formats.V30:
            catalog.engine.load(source.relation("stats"), _v3_rows(source))
        elif source.version == formats.V21 and _stats_file(source).is_file():
            catalog.engine.load(source.relation("stats"), _v21_rows(source, _wanted(source)))
        else:
            _register_whole(catalog, source, _wanted(source))


def _wanted(source: Source, other_quantiles: Iterable[str] = ()) -> dict[str, Feature]:
    """The columns to make, `feature/stat` each."""
    kept = [*STATS, *other_quantiles]
    return {f"{f.name}/{stat}": f for f in source.features if f.has_stats for stat in kept}


def _columns_of(catalog: Catalog, source: Source) -> list[str]:
    rows = catalog.engine.rows("catalog/columns_of", {"relation": source.relation("stats")})
    return [row["column_name"] for row in rows if "/" in row["column_name"]]


def quantiles(catalog: Catalog) -> list[str]:
    """The quantiles, such as q05, that are none of the usual ones and that some source has."""
    return sorted({q for source in catalog.sources for q in _other_quantiles(source)})


def _other_quantiles(source: Source) -> list[str]:
    """The quantiles, such as q05, that only some datasets have, and none before v3.0."""
    return _told_quantiles(pq.read_schema(_episode_files(source)[0])) if source.is_v3 else []


def _told_quantiles(schema: pa.Schema) -> list[str]:
    stats = {name.rpartition("/")[2] for name in schema.names if name.startswith("stats/")}
    return sorted(stat for stat in stats - set(STATS) if re.fullmatch(r"q\d\d", stat))


def _episode_files(source: Source) -> list[str]:
    files = [str(f) for f in sorted((source.root / "meta" / "episodes").glob("*/*.parquet"))]
    if not files:
        raise SourceBroken(f"no file under meta/episodes. ({source.root / 'meta/episodes'})")
    return files


def _whole_said(source: Source) -> dict[str, Any]:
    path = source.root / "meta" / "stats.json"
    return read_json(path) if path.is_file() else {}


def _register_whole(catalog: Catalog, source: Source, wanted: dict[str, Feature]) -> None:
    """v2.0 says of its cameras what holds over the whole dataset, and nothing per episode."""
    said = _whole_said(source)
    found = {name: _sized(said, name, f) for name, f in wanted.items() if f.is_visual}
    present = {name: values for name, values in found.items() if values is not None}
    counts = [f"{camera}/count" for camera in dict.fromkeys(name.rpartition("/")[0] for name in present)]
    present = {name: values for name, values in present.items() if name not in counts}
    columns = {name: pa.array([values], pa.list_(pa.float64())) for name, values in present.items()}
    catalog.engine.load(source.relation("whole"), pa.table({"src_dataset": [source.name], **columns}))
    catalog.engine.table(
        source.relation("stats"),
        "stats/carried_whole",
        {
            "declared": source.relation("declared"),
            "whole": source.relation("whole"),
            "present": list(present),
            "counts": counts,
            "absent": [name for name in wanted if name not in present and name not in counts],
        },
        src_dataset=source.name,
    )


def _v3_rows(source: Source) -> pa.Table:
    """Read with Arrow: to DuckDB a file of many columns in many row groups costs five times as much."""
    with ExitStack() as opened:
        try:
            files = [opened.enter_context(pq.ParquetFile(path)) for path in _episode_files(source)]
            wanted = _wanted(source, _told_quantiles(files[0].schema_arrow))
            return pa.concat_tables([_rows_of(source, file, wanted) for file in files])
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            meta = source.root / "meta" / "episodes"
            raise SourceBroken(f"statistics cannot be read: {error}. ({meta})") from error


def _rows_of(source: Source, file: pq.ParquetFile, wanted: dict[str, Feature]) -> pa.Table:
    """One file's share; some writers add columns on the way, and those of others are null then."""
    names = file.schema_arrow.names
    there = [name for name in wanted if f"stats/{name}" in names]
    held = file.read(columns=["episode_index", *(f"stats/{name}" for name in there)])
    episodes = _column(held, "episode_index")
    columns = dict.fromkeys(wanted, pa.nulls(held.num_rows, _NUMBERS))
    for name in there:
        size = 1 if name.endswith("/count") else wanted[name].stat_size
        columns[name] = _flat(_column(held, f"stats/{name}"), size)
    return pa.table(
        {
            "src_dataset": pa.repeat(source.name, held.num_rows),
            "src_episode": episodes if episodes.type == pa.int64() else episodes.cast(pa.int64()),
            **columns,
        }
    )


def _column(table: pa.Table, name: str) -> pa.Array:
    """A column in one piece. Errors: ArrowInvalid where there is none."""
    at = table.schema.get_all_field_indices(name)
    if not at:
        raise pa.ArrowInvalid(f"there is no column {name}")
    return table.column(at[0]).combine_chunks()


def _flat(column: pa.Array, size: int) -> pa.Array:
    """Nested lists of numbers as flat ones; null for those of another size."""
    offsets, values = np.arange(len(column) + 1), column
    while pa.types.is_list(values.type) and not values.null_count:
        offsets, values = values.offsets.to_numpy()[offsets], values.values
    numeric = pa.types.is_floating(values.type) or pa.types.is_integer(values.type)
    if not numeric or values.null_count or (np.diff(offsets) != size).any():
        return _flat_one_by_one(column, size)
    start, end = offsets[[0, -1]]
    numbers = values.slice(start, end - start).to_numpy().astype(np.float64, copy=False)
    return pa.ListArray.from_arrays(pa.array(offsets - start, pa.int32()), pa.array(numbers))


def _flat_one_by_one(column: pa.Array, size: int) -> pa.Array:
    rows = (flattened(value) for value in column.to_pylist())
    return pa.array([row if len(row) == size else None for row in rows], _NUMBERS)


def _stats_file(source: Source) -> Path:
    return source.root / "meta" / "episodes_stats.jsonl"


def _v21_rows(source: Source, wanted: dict[str, Feature]) -> pa.Table:
    lines = dict(_v21_lines(_stats_file(source)))  # of two lines of one episode, the later one
    episodes = list(lines)
    columns = {name: [_sized(stats, name, f) for stats in lines.values()] for name, f in wanted.items()}
    arrays = [pa.array(values, pa.list_(pa.float64())) for values in columns.values()]
    return pa.table(
        [pa.array([source.name] * len(episodes), pa.string()), pa.array(episodes, pa.int64()), *arrays],
        names=["src_dataset", "src_episode", *columns],
    )


def _v21_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = parsed(line)
                yield episode_number(row["episode_index"]), dict(row["stats"])
            except (ValueError, KeyError, TypeError, OverflowError) as error:
                raise SourceBroken(
                    f"line {number} is no episode's statistics: {error!r}. ({path})"
                ) from error


def _sized(stats: dict[str, Any], name: str, feature: Feature) -> list[float] | None:
    key, _, stat = name.rpartition("/")
    said = stats.get(key)
    if not isinstance(said, dict) or stat not in said:
        return None
    flat = flattened(said[stat])
    size = 1 if stat == "count" else feature.stat_size
    return flat if len(flat) == size else None


def flattened(value: Any) -> list[float]:
    """The numbers in a nested list, in order."""
    if isinstance(value, list):
        if all(isinstance(x, int | float) for x in value):  # the usual case, and there are many
            return [float(x) for x in value]
        return [x for inner in value for x in flattened(inner)]
    return [float(value)] if isinstance(value, int | float) else []
