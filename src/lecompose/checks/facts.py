"""What the promises need beyond the catalog, as relations: those of `_SHAPES`.

File names, parquet footers, info.json's totals, statistics and videos: each file is looked at once. What
cannot be read is a fault, and the facts of the others are told.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from lecompose import formats
from lecompose.checks import episode_stats
from lecompose.checks.faults import Reading, without_path
from lecompose.checks.footers import Footers, Row, footer_facts, huggingface, kind_of
from lecompose.dataset.catalog import Catalog, Source, read_json
from lecompose.dataset.catalog.data_files import footer
from lecompose.dataset.catalog.source import is_pointer
from lecompose.errors import ComposeError, MediaError, SourceBroken
from lecompose.files import mp4
from lecompose.formats import Feature

_Columns = dict[str, pa.DataType]
_Facts: TypeAlias = dict[str, "list[Row] | pa.Table"]
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
        "names": _INT,
        "dimensions": _INT,
        "height": _INT,
        "width": _INT,
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
    "episode_stats_facts": episode_stats.SHAPE,
    "videos": {
        "camera": _TEXT,
        "video_file": _TEXT,
        "frames": _INT,
        "fps": _FLOAT,
        "off_grid_s": _FLOAT,
        "width": _INT,
        "height": _INT,
        "codec": _TEXT,
        "pix_fmt": _TEXT,
        "has_audio": _BOOL,
        "stalls": _INT,
        "fault": _TEXT,
        "problem": _TEXT,
    },
    "fault_facts": {
        "position": _INT,
        "code": _TEXT,
        "file": _TEXT,
        "episode": _INT,
        "feature": _TEXT,
        "problem": _TEXT,
    },
}


def load_facts(
    catalog: Catalog, readings: Mapping[str, Reading], footers: Footers | None, *, scratch: Path | None
) -> None:
    """Make the relations of `_SHAPES`, unless an earlier call did.

    `readings` are what was found wrong before, by source; what is found here comes to it. `footers` are
    those of the data files, where they have been read.
    """
    if catalog.engine.has(*_SHAPES):
        return
    facts = {relation: [_of_source("", _table(shape, []))] for relation, shape in _SHAPES.items()}
    with ThreadPoolExecutor(catalog.engine.threads) as pool:
        for source in catalog.sources:
            found = _facts(source, catalog, readings[source.name], footers, pool, scratch)
            found["fault_facts"] = list(_faults(readings[source.name]))
            for relation, rows in found.items():
                table = rows if isinstance(rows, pa.Table) else _table(_SHAPES[relation], rows)
                facts[relation].append(_of_source(source.name, table))
    for relation, tables in facts.items():
        catalog.engine.load(relation, pa.concat_tables(tables))


def _table(shape: _Columns, rows: list[Row]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(shape)
    return pa.table(
        {name: pa.array(column, kind) for (name, kind), column in zip(shape.items(), columns, strict=True)}
    )


def _of_source(name: str, rows: pa.Table) -> pa.Table:
    return rows.add_column(0, "src_dataset", pa.repeat(name, len(rows)))


def _faults(reading: Reading) -> Iterator[Row]:
    for n, f in enumerate(reading.faults):
        yield n, f.code, f.file, f.episode, f.feature, f.problem


def _facts(
    source: Source,
    catalog: Catalog,
    reading: Reading,
    footers: Footers | None,
    pool: ThreadPoolExecutor,
    scratch: Path | None,
) -> _Facts:
    """The rows of every fact relation for one source."""
    if footers is None:
        rows = catalog.engine.rows("catalog/data_file_list", src_dataset=source.name)
        files = [Path(row["data_file"]) for row in rows]
        footers = dict(zip(files, pool.map(footer, files), strict=True))
    return {
        "info_facts": [(field, json.dumps(value)) for field, value in source.info.items()],
        "path_facts": [_paths(source)],
        "feature_needs": [_needs(feature) for feature in source.features],
        "file_facts": list(_files(source)),
        "videos": _videos(source, catalog, reading, pool, scratch),
        **footer_facts(footers),
        **(_v3_facts(source, reading) if source.is_v3 else _v2_facts(source, reading)),
    }


def _paths(source: Source) -> Row:
    default = formats.DATA_PATH if source.is_v3 else formats.V2_DATA_PATH
    fields = ("chunk_index", "file_index") if source.is_v3 else ("episode_chunk", "episode_index")
    template = str(source.info.get("data_path") or default)
    return formats.path_format(template, fields), source.chunks_size


def _needs(feature: Feature) -> Row:
    field = None if feature.is_video else formats.arrow_field(feature)
    spec = None if feature.is_video else formats.hf_feature(feature)
    is_picture = feature.is_visual and len(feature.shape) == 3
    return (
        feature.name,
        None if field is None else kind_of(field.type),
        None if spec is None else huggingface(spec),
        list(feature.stat_shape) if feature.has_stats else None,
        feature.is_video,
        feature.is_visual,
        _count(feature.spec.get("names")),
        (3 if is_picture else None) if feature.is_visual else _dimensions(feature),
        *_picture_size(feature),
    )


def _count(names: Any) -> int | None:
    """How many names there are, in lists and in objects of lists; None where names do not tell."""
    parts = list(names.values()) if isinstance(names, dict) else names
    if not isinstance(parts, list) or not parts:
        return None
    if isinstance(names, dict) and not all(isinstance(part, list) for part in parts):
        return len(parts)
    counts = [_count(part) if isinstance(part, list | dict) else 1 for part in parts]
    return sum(n for n in counts if n is not None)


def _dimensions(feature: Feature) -> int | None:
    return feature.shape[0] if feature.is_numeric and len(feature.shape) == 1 else None


def _picture_size(feature: Feature) -> tuple[int | None, int | None]:
    """Height and width of a video's frames, by the names of its dimensions, else by the channels' place."""
    if not feature.is_video or len(feature.shape) != 3:
        return None, None
    names = feature.spec.get("names")
    if isinstance(names, list) and {"height", "width"} <= {n for n in names if isinstance(n, str)}:
        return feature.shape[names.index("height")], feature.shape[names.index("width")]
    channels_first = feature.shape[0] in (1, 3) and feature.shape[2] not in (1, 3)
    return (feature.shape[1], feature.shape[2]) if channels_first else (feature.shape[0], feature.shape[1])


def _files(source: Source) -> Iterator[Row]:
    for family, pattern in (
        ("data", "data/*/*.parquet"),
        ("meta/episodes", "meta/episodes/*/*.parquet"),
        ("videos", "videos/*/*/*.mp4"),
    ):
        for path in sorted(source.root.glob(pattern)):
            yield family, path.relative_to(source.root).as_posix()


def _videos(
    source: Source, catalog: Catalog, reading: Reading, pool: ThreadPoolExecutor, scratch: Path | None
) -> list[Row]:
    """What each video file is like; none are looked at where their folder is missing."""
    if "clips" in reading.lacking:
        return []
    rows = [row for row in catalog.engine.rows("catalog/camera_files") if row["src_dataset"] == source.name]
    found = pool.map(lambda row: _looked_at(Path(row["video_file"]), scratch), rows)
    return [_video(row, video, source, reading) for row, video in zip(rows, found, strict=True)]


def _looked_at(path: Path, scratch: Path | None) -> mp4.Video | ComposeError:
    try:
        return mp4.probe(path, scratch=scratch)
    except (MediaError, SourceBroken) as error:
        return error


def _video(clip: Mapping[str, Any], video: mp4.Video | ComposeError, source: Source, reading: Reading) -> Row:
    path = Path(clip["video_file"])
    at = (clip["camera"], clip["video_file"])
    nothing = (None,) * 9
    if isinstance(video, ComposeError):
        if is_pointer(path):
            reading.broken("lfs_pulled", path, video, episode=clip["first_episode"], feature=clip["camera"])
            return (*at, *nothing, "pointer", "a Git LFS pointer")
        fault = "unreadable" if isinstance(video, MediaError) else "missing"
        return (*at, *nothing, fault, without_path(video, path))
    told_of = (
        video.frames,
        float(video.fps),
        mp4.measure_grid_deviation_s(video, source.fps),
        video.width,
        video.height,
    )
    track = (video.codec, video.pix_fmt, video.has_audio, video.track.stalls)
    return (*at, *told_of, *track, None, None)


# Metadata files ---------------------------------------------------------------------------------


def _v3_facts(source: Source, reading: Reading) -> _Facts:
    meta = source.root / "meta"
    stats = [pa.schema(episode_stats.SHAPE).empty_table()]
    columns: list[Row] = []
    index: list[Row] = []
    for path in sorted((meta / "episodes").glob("*/*.parquet")):
        with reading.guarded("metadata_readable", path, lacks="episode_stats_facts"):
            if path not in reading.unreadable:
                schema = footer(path).schema.to_arrow_schema()
                name = path.relative_to(source.root).as_posix()
                columns += [(name, field.name, kind_of(field.type)) for field in schema]
                stats.append(episode_stats.of_parquet(path, schema))
    tasks = meta / "tasks.parquet"
    if tasks not in reading.unreadable and tasks.is_file():
        with reading.guarded("metadata_readable", tasks):
            index = [_task_index(tasks)]
    return {
        "task_index_facts": index,
        "episode_column_facts": columns,
        "episode_stats_facts": pa.concat_tables(stats),
        "stats_facts": _dataset_statistics(meta / "stats.json", reading),
    }


def _v2_facts(source: Source, reading: Reading) -> _Facts:
    meta = source.root / "meta"
    if source.version == formats.V20:
        return {"stats_facts": _dataset_statistics(meta / "stats.json", reading)}
    stats: list[Row] = []
    features: dict[str, None] = {}
    path = meta / "episodes_stats.jsonl"
    with reading.guarded("metadata_readable", path, lacks="episode_stats_facts"):
        for episode, parts in episode_stats.of_lines(path):
            features |= dict.fromkeys(parts)
            for feature, part in parts.items():
                stats += [
                    (episode, feature, stat, episode_stats.first(part.get(stat)))
                    for stat in episode_stats.checked(feature)
                    if stat in part
                ]
    columns = [("meta/episodes_stats.jsonl", f"stats/{feature}/mean", None) for feature in features]
    return {"episode_stats_facts": stats, "episode_column_facts": columns}


def _dataset_statistics(path: Path, reading: Reading) -> list[Row]:
    found: list[Row] = []
    with reading.guarded("metadata_readable", path, lacks="stats_facts"):
        found += _statistics(path)
    return found


def _task_index(path: Path) -> Row:
    schema = footer(path).schema.to_arrow_schema()
    texts = [name for name in schema.names if name != "task_index"] or ["task"]
    try:
        pandas = json.loads((schema.metadata or {})[b"pandas"])
        index = json.dumps(pandas["index_columns"])
    except (ValueError, KeyError, TypeError, RecursionError):
        index = None
    return index, "task" if "task" in texts else texts[0]


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
