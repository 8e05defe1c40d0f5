"""The per-episode statistics that sources carry → the relation `carried_stats`.

One row an episode, one flat DOUBLE[] column per feature and statistic, named `feature/stat`; null where a
source has none, or has one of another size than the feature's (per-pixel statistics, say). Quantiles are
the usual ones and whatever others a source has.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.catalog import Catalog, Source, episode_number, parsed, read_json
from lecompose.errors import SourceBroken
from lecompose.formats import STATS, Feature
from lecompose.mapping import Takes


def register(catalog: Catalog) -> None:
    """Make the relation `carried_stats` for the episodes of all sources, each by its own features.

    An earlier call's is kept: users' SQL may ask for it before the statistics stage does.
    Errors: SourceBroken where a statistics file cannot be read.
    """
    if any(row["relation"] == "carried_stats" for row in catalog.engine.rows("catalog/relations")):
        return
    for source in catalog.sources:
        kept = [*STATS, *_other_quantiles(source)]
        wanted = {f"{f.name}/{stat}": f for f in source.features if f.has_stats for stat in kept}
        if source.version == formats.V30:
            _register_v3(catalog, source, wanted)
        elif source.version == formats.V21 and _stats_file(source).is_file():
            catalog.engine.load(source.relation("stats"), _v21_rows(source, wanted))
        else:
            _register_whole(catalog, source, wanted)
    relations = [s.relation("stats") for s in catalog.sources]
    catalog.engine.view("carried_stats", "catalog/union", {"relations": relations})


def take(catalog: Catalog, takes: Takes) -> frozenset[str]:
    """Make `carried_stats` go by the output's names, for the stages; its columns, `feature/stat` each.

    A feature that a source lacks, or of which its statistics are true no more, has no statistics of it.
    """
    register(catalog)
    sources: list[dict[str, Any]] = []
    for source in catalog.sources:
        have = _columns_of(catalog, source.relation("stats"))
        own = {how.feature.name: n for n, how in takes[source.name].items() if how.feature and how.has_stats}
        pairs = [(name, *name.rpartition("/")[::2]) for name in have]
        columns = [{"stored": s, "name": f"{own[f]}/{stat}"} for s, f, stat in pairs if f in own]
        sources.append({"relation": source.relation("stats"), "columns": columns})
    catalog.engine.view("carried_stats", "stats/taken", {"sources": sources})
    return frozenset(column["name"] for source in sources for column in source["columns"])


def forget(catalog: Catalog) -> None:
    """Give back the memory that `register` took: of large datasets it is most of what is held."""
    catalog.engine.drop(*(source.relation("stats") for source in catalog.sources))


def _columns_of(catalog: Catalog, relation: str) -> list[str]:
    rows = catalog.engine.rows("catalog/columns_of", {"relation": relation})
    return [row["column_name"] for row in rows if "/" in row["column_name"]]


def quantiles(catalog: Catalog) -> list[str]:
    """The quantiles, such as q05, that are none of the usual ones and that some source has."""
    return sorted({q for source in catalog.sources for q in _other_quantiles(source)})


def _other_quantiles(source: Source) -> list[str]:
    """The quantiles, such as q05, that only some datasets have, and none before v3.0."""
    if not source.is_v3:
        return []
    names = [name for name in pq.read_schema(_episode_files(source)[0]).names if name.startswith("stats/")]
    stats = {name.rpartition("/")[2] for name in names}
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


def _register_v3(catalog: Catalog, source: Source, wanted: dict[str, Feature]) -> None:
    files = _episode_files(source)
    kinds = _kinds(files)
    present = [name for name in wanted if f"stats/{name}" in kinds]
    columns = [
        {
            "name": name,
            "stored": f"stats/{name}",
            "depth": _depth(kinds[f"stats/{name}"]),
            "size": 1 if name.endswith("/count") else wanted[name].stat_size,
        }
        for name in present
    ]
    catalog.engine.table(
        source.relation("stats"),
        "stats/carried_v3",
        {"columns": columns, "absent": [name for name in wanted if name not in present]},
        src_dataset=source.name,
        files=[formats.escaped_glob(f) for f in files],
    )


def _kinds(files: list[str]) -> dict[str, pa.DataType]:
    """The type of each column that any of the files has; some writers add columns on the way."""
    found: dict[str, pa.DataType] = {}
    for file in files:
        for field in pq.read_schema(file):
            found.setdefault(field.name, field.type)
    return found


def _depth(kind: pa.DataType) -> int:
    depth = 0
    while formats.is_list(kind):
        depth, kind = depth + 1, kind.value_type
    return depth


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
