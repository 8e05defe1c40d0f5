"""What the promises need beyond the catalog, as relations: `feature_needs`, `videos`, and those in `_facts`.

File names, parquet footers, info.json's totals, statistics and videos: each file is looked at once.
"""

import json
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats, media
from lecompose.catalog import Catalog, Source, read_json
from lecompose.errors import MediaError, SourceBroken
from lecompose.formats import Feature

Row = tuple[Any, ...]
_Columns = dict[str, pa.DataType]
_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()

_SHAPES: dict[str, _Columns] = {
    "info_facts": {"field": _TEXT, "value": _TEXT},
    "path_facts": {"data_format": _TEXT, "chunks_size": _INT},
    "feature_needs": {
        "feature": _TEXT,
        "kind": _TEXT,
        "huggingface": _TEXT,
        "stat_shape": pa.list_(_INT),
        "is_video": _BOOL,
        "is_visual": _BOOL,
    },
    "task_index_facts": {"index_columns": _TEXT, "task_column": _TEXT},
    "file_facts": {"family": _TEXT, "file": _TEXT},
    "footer_facts": {"data_file": _TEXT, "schema_number": _INT, "has_huggingface": _BOOL},
    "column_facts": {"schema_number": _INT, "feature": _TEXT, "kind": _TEXT, "huggingface": _TEXT},
    "row_group_facts": {"data_file": _TEXT, "row_from": _INT, "row_to": _INT},
    "episode_column_facts": {"file": _TEXT, "column_name": _TEXT, "kind": _TEXT},
    "stats_facts": {
        "feature": _TEXT,
        "stat": _TEXT,
        "shape": pa.list_(_INT),
        "numbers": pa.list_(_FLOAT),
    },
    "episode_stats_facts": {"src_episode": _INT, "feature": _TEXT, "stat": _TEXT, "number": _FLOAT},
    "videos": {
        "camera": _TEXT,
        "video_file": _TEXT,
        "frames": _INT,
        "fps": _FLOAT,
        "off_grid_s": _FLOAT,
        "problem": _TEXT,
    },
}


def load_facts(catalog: Catalog, *, scratch: Path | None) -> None:
    """Make the relations of `_SHAPES`, unless an earlier call did."""
    there = {row["relation"] for row in catalog.engine.rows("catalog/relations")}
    if there >= _SHAPES.keys():
        return
    facts: dict[str, list[Row]] = {relation: [] for relation in _SHAPES}
    with ThreadPoolExecutor(catalog.engine.threads) as pool:
        for source in catalog.sources:
            for relation, rows in _facts(source, catalog, pool, scratch).items():
                facts[relation] += [(source.name, *row) for row in rows]
    for relation, shape in _SHAPES.items():
        catalog.engine.load(relation, _table({"src_dataset": _TEXT, **shape}, facts[relation]))


def _table(shape: _Columns, rows: list[Row]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(shape)
    return pa.table(
        {name: pa.array(column, kind) for (name, kind), column in zip(shape.items(), columns, strict=True)}
    )


def _facts(
    source: Source, catalog: Catalog, pool: ThreadPoolExecutor, scratch: Path | None
) -> dict[str, list[Row]]:
    """The rows of every fact relation for one source."""
    clips = [row for row in catalog.engine.rows("catalog/camera_files") if row["src_dataset"] == source.name]
    data = [
        Path(row["data_file"])
        for row in catalog.engine.rows("catalog/data_file_list", src_dataset=source.name)
    ]
    return {
        "info_facts": [(field, json.dumps(value)) for field, value in source.info.items()],
        "path_facts": [_paths(source)],
        "feature_needs": [_needs(feature) for feature in source.features],
        "file_facts": list(_parquet_files(source)),
        "videos": list(pool.map(lambda row: _video(row, source.fps, scratch), clips)),
        **_footers(data, pool),
        **(_v3_facts(source) if source.is_v3 else _v2_facts(source)),
    }


def _paths(source: Source) -> Row:
    default = formats.DATA_PATH if source.is_v3 else formats.V2_DATA_PATH
    fields = ("chunk_index", "file_index") if source.is_v3 else ("episode_chunk", "episode_index")
    template = str(source.info.get("data_path") or default)
    return formats.path_format(template, fields), source.chunks_size


def _needs(feature: Feature) -> Row:
    field = None if feature.is_video else formats.arrow_field(feature)
    spec = None if feature.is_video else formats.hf_feature(feature)
    return (
        feature.name,
        None if field is None else _kind(field.type),
        None if spec is None else _huggingface(spec),
        list(feature.stat_shape) if feature.has_stats else None,
        feature.is_video,
        feature.is_visual,
    )


def _parquet_files(source: Source) -> Iterator[Row]:
    for family in ("data", "meta/episodes"):
        for path in sorted((source.root / family).glob("*/*.parquet")):
            yield family, path.relative_to(source.root).as_posix()


def _video(clip: Mapping[str, Any], fps: Fraction, scratch: Path | None) -> Row:
    at = (clip["camera"], clip["video_file"])
    try:
        video = media.probe(Path(clip["video_file"]), scratch=scratch)
    except (MediaError, SourceBroken) as error:
        return (*at, None, None, None, str(error))
    return (*at, video.frames, float(video.fps), media.grid(video, fps), None)


# Parquet footers --------------------------------------------------------------------------------


def _footers(files: list[Path], pool: ThreadPoolExecutor) -> dict[str, list[Row]]:
    """What the footers of data files say; equal schemas are told once, by number."""
    numbers: dict[bytes, int] = {}
    facts: dict[str, list[Row]] = {"footer_facts": [], "column_facts": [], "row_group_facts": []}
    for path, footer in zip(files, pool.map(_footer, files), strict=True):
        schema = footer.schema.to_arrow_schema()
        key = bytes(schema.serialize())
        if key not in numbers:
            numbers[key] = len(numbers)
            facts["column_facts"] += [(numbers[key], *row) for row in _columns(schema)]
        told = b"huggingface" in (schema.metadata or {})
        facts["footer_facts"].append((str(path), numbers[key], told))
        row = 0
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            facts["row_group_facts"].append((str(path), row, row + rows))
            row += rows
    return facts


def _footer(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceBroken(f"parquet file cannot be read: {error}. ({path})") from error


def _columns(schema: pa.Schema) -> Iterator[Row]:
    """Name, kind and Hugging Face type of each column, and of names without a column but with the latter."""
    kinds = {field.name: _kind(field.type) for field in schema}
    told = _told_types(schema)
    for name in kinds | told:
        yield name, kinds.get(name), told.get(name)


def _told_types(schema: pa.Schema) -> dict[str, str]:
    """What the `huggingface` schema metadata says of each column; nothing where it is no such JSON."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return {name: _huggingface(spec) for name, spec in told["info"]["features"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _huggingface(spec: Any) -> str:
    """A `datasets` feature as text that is equal for equal types.

    Source: datasets 4 spells "Sequence" as "List"; before 3 it wrote null ids.
    """
    return json.dumps(_canonical(spec), sort_keys=True)


def _canonical(spec: Any) -> Any:
    if not isinstance(spec, dict):
        return spec
    kept = {k: _canonical(v) for k, v in spec.items() if v is not None and k not in ("decode", "id")}
    return kept | {"_type": "List"} if kept.get("_type") == "Sequence" else kept


def _kind(kind: pa.DataType) -> str:
    """An Arrow type without what readers do not care for: large or view layouts, names of list items."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _kind(kind.storage_type)
    if types.is_fixed_size_list(kind):
        return f"{_kind(kind.value_type)}[{kind.list_size}]"
    if types.is_list(kind) or types.is_large_list(kind):
        return f"{_kind(kind.value_type)}[]"
    if types.is_struct(kind):
        return f"struct({', '.join(f'{f.name} {_kind(f.type)}' for f in kind)})"
    if types.is_dictionary(kind):
        return _kind(kind.value_type)
    return str(kind).removeprefix("large_").removesuffix("_view")


# Metadata files ---------------------------------------------------------------------------------

_NUMBERED = ("index", "episode_index", "task_index")


def _v3_facts(source: Source) -> dict[str, list[Row]]:
    files = sorted((source.root / "meta" / "episodes").glob("*/*.parquet"))
    stats: list[Row] = []
    columns: list[Row] = []
    for path in files:
        schema = _footer(path).schema.to_arrow_schema()
        columns += [
            (path.relative_to(source.root).as_posix(), field.name, _kind(field.type)) for field in schema
        ]
        stats += _episode_statistics(path, schema)
    return {
        "task_index_facts": [_task_index(source.root / "meta" / "tasks.parquet")],
        "episode_column_facts": columns,
        "episode_stats_facts": stats,
        "stats_facts": list(_statistics(source.root / "meta" / "stats.json")),
    }


def _v2_facts(source: Source) -> dict[str, list[Row]]:
    if source.version == formats.V20:
        return {"stats_facts": list(_statistics(source.root / "meta" / "stats.json"))}
    stats: list[Row] = []
    features: dict[str, None] = {}
    for episode, parts in _stats_lines(source.root / "meta" / "episodes_stats.jsonl"):
        features |= dict.fromkeys(parts)
        for feature, part in parts.items():
            stats += [
                (episode, feature, stat, _first(part.get(stat))) for stat in _told(feature) if stat in part
            ]
    columns = [("meta/episodes_stats.jsonl", f"stats/{feature}/mean", None) for feature in features]
    return {"episode_stats_facts": stats, "episode_column_facts": columns}


def _told(feature: str) -> tuple[str, ...]:
    """The statistics of an episode that can be checked without reading its rows."""
    return ("count", "min", "max", "mean") if feature in _NUMBERED else ("count",)


def _task_index(path: Path) -> Row:
    schema = _footer(path).schema.to_arrow_schema()
    texts = [name for name in schema.names if name != "task_index"]
    try:
        pandas = json.loads((schema.metadata or {})[b"pandas"])
        index = json.dumps(pandas["index_columns"])
    except (ValueError, KeyError, TypeError):
        index = None
    return index, "task" if "task" in texts else texts[0]


def _episode_statistics(path: Path, schema: pa.Schema) -> Iterator[Row]:
    wanted = {}
    for name in schema.names:
        family, _, rest = name.partition("/")
        feature, _, stat = rest.partition("/")
        if family == "stats" and stat in _told(feature):
            wanted[name] = (feature, stat)
    table = pq.read_table(path, columns=["episode_index", *wanted], partitioning=None)
    episodes = table["episode_index"].to_pylist()
    for name, (feature, stat) in wanted.items():
        for episode, value in zip(episodes, table[name].to_pylist(), strict=True):
            yield episode, feature, stat, _first(value)


def _stats_lines(path: Path) -> Iterator[tuple[int, dict[str, dict[str, Any]]]]:
    """Episode and statistics of each line of a v2.1 file; nothing where there is no such file.

    Errors: SourceBroken for lines that are something else.
    """
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                yield int(row["episode_index"]), {f: dict(part) for f, part in row["stats"].items()}
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise SourceBroken(
                    f"line {number} is no statistics of an episode: {error}. ({path})"
                ) from error


def _statistics(path: Path) -> Iterator[Row]:
    """Each statistic in a stats.json with its shape, None where it is ragged; nothing without a file."""
    if not path.is_file():
        return
    for feature, part in read_json(path).items():
        for stat, value in part.items() if isinstance(part, dict) else ():
            shape = _shape(value)
            yield feature, stat, shape, None if shape is None else list(_numbers(value))


def _shape(value: Any) -> list[int] | None:
    """The shape of nested lists of numbers; None where they are ragged or hold anything else."""
    if not isinstance(value, list):
        return [] if isinstance(value, int | float) else None
    inner = [_shape(part) for part in value]
    if any(shape is None or shape != inner[0] for shape in inner):
        return None
    return [len(value), *(inner[0] or [] if inner else [])]


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        for part in value:
            yield from _numbers(part)
    else:
        yield float(value)


def _first(value: Any) -> float:
    """The first number in nested lists; NaN, which equals nothing, where there is none."""
    while isinstance(value, list):
        value = value[0] if value else None
    return float(value) if isinstance(value, int | float) else math.nan
