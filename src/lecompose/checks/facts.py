"""Makes the relations that promises need beyond the catalog: those of `_SHAPES`.

File names, parquet footers, info.json's totals, statistics and videos: each file is looked at once. What
cannot be read is a fault; the other files have their facts.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from lecompose import formats
from lecompose.checks import episode_stats
from lecompose.checks.faults import NO_DAMAGE, Damage, Fault, as_damage, try_to, unreadable
from lecompose.checks.footers import Footers, Row, footer_facts, huggingface_type, kind_of
from lecompose.dataset.arrow_arrays import repeat_text
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.frames import list_data_files
from lecompose.dataset.catalog.task_columns import list_candidates, list_texts, read_uses
from lecompose.dataset.doubtful_clips import find_shared_frames
from lecompose.dataset.loose_pictures import find_loose_pictures
from lecompose.dataset.stored_stats import flatten_numbers
from lecompose.engine import Engine
from lecompose.errors import ComposeError, MediaError, SourceBroken
from lecompose.files import mp4
from lecompose.files.clutter import glob_files
from lecompose.files.git_lfs import is_pointer
from lecompose.files.json_files import read_json
from lecompose.files.parquet.damage import read_footer
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
    "task_column_facts": {"feature": _TEXT, "src_episode": _INT, "src_task": _INT},
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
    "loose_pictures": {
        "feature": _TEXT,
        "src_episode": _INT,
        "there": _INT,
        "missing": _INT,
        "problem": _TEXT,
    },
    "shared_frames": {
        "camera": _TEXT,
        "src_episode": _INT,
        "video_file": _TEXT,
        "problem": _TEXT,
    },
}


def load_facts(
    catalog: Catalog, known: Mapping[str, Damage], footers: Footers | None, *, scratch: Path | None
) -> dict[str, Damage]:
    """Make the relations of `_SHAPES`; return the damage of each source, with what is found here.

    `known` is what was found wrong before, by source. `footers` are those of the data files, where they
    have been read.
    """
    facts = {relation: [_of_source("", _table(shape, []))] for relation, shape in _SHAPES.items()}
    found: dict[str, Damage] = {}
    for source in catalog.sources:
        rows, more = _facts(source, catalog.engine, known[source.name], footers, scratch)
        found[source.name] = known[source.name] | more
        for relation, part in rows.items():
            table = part if isinstance(part, pa.Table) else _table(_SHAPES[relation], part)
            facts[relation].append(_of_source(source.name, table))
    for loose in find_loose_pictures(catalog).episodes:
        held = (loose.feature, loose.src_episode, loose.there, loose.missing, loose.problem)
        table = _table(_SHAPES["loose_pictures"], [held])
        facts["loose_pictures"].append(_of_source(loose.src_dataset, table))
    for pair in find_shared_frames(catalog).doubtful:
        row = (pair.camera, pair.src_episode, pair.video_file, pair.problem)
        facts["shared_frames"].append(_of_source(pair.src_dataset, _table(_SHAPES["shared_frames"], [row])))
    for relation, tables in facts.items():
        catalog.engine.load(relation, pa.concat_tables(tables))
    return found


def _table(shape: _Columns, rows: list[Row]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(shape)
    return pa.table(
        {name: pa.array(column, kind) for (name, kind), column in zip(shape.items(), columns, strict=True)}
    )


def _of_source(name: str, rows: pa.Table) -> pa.Table:
    return rows.add_column(0, "src_dataset", repeat_text(name, len(rows)))


def _facts(
    source: Source, engine: Engine, known: Damage, footers: Footers | None, scratch: Path | None
) -> tuple[_Facts, Damage]:
    """Return the rows of every fact relation for one source, and what cannot be read."""
    if footers is None:
        files = [Path(file) for file in list_data_files(engine, source)]
        footers = dict(zip(files, engine.workers().each(files, read_footer), strict=True))
    videos, pointers = ([], NO_DAMAGE) if "clips" in known.lacking else _videos(source, engine, scratch)
    metadata, unread = (_v3_facts if source.is_v3 else _v2_facts)(source, known)
    facts: _Facts = {
        "info_facts": [(field, json.dumps(value)) for field, value in source.info.items()],
        "path_facts": [_paths(source)],
        "feature_needs": [_needs(feature) for feature in source.features],
        "file_facts": list(_files(source)),
        "task_column_facts": list(_task_columns(source, engine, known)),
        "videos": videos,
        **footer_facts(footers),
        **metadata,
    }
    return facts, pointers | unread


def _paths(source: Source) -> Row:
    fields = formats.place_fields(source.version)
    return formats.path_format(source.data_template, fields), source.chunks_size


def _needs(feature: Feature) -> Row:
    field = None if feature.is_video else formats.arrow_field(feature)
    spec = None if feature.is_video else formats.hf_feature(feature)
    is_picture = feature.is_visual and len(feature.shape) == 3
    return (
        feature.name,
        None if field is None else kind_of(field.type),
        None if spec is None else huggingface_type(spec),
        list(feature.stat_shape) if feature.has_stats else None,
        feature.is_video,
        feature.is_visual,
        _count(feature.spec.get("names")),
        (3 if is_picture else None) if feature.is_visual else _dimensions(feature),
        *_picture_size(feature),
    )


def _task_columns(source: Source, engine: Engine, known: Damage) -> Iterator[Row]:
    """Yield the numbers without a text in the features that look as if they held task numbers."""
    candidates = [c.feature for c in list_candidates(source) if c.is_number]
    if not candidates or not known.lacking.isdisjoint(("tasks", "placement")):
        return
    texts = list_texts(engine, source)
    for feature in candidates:
        try:
            uses = read_uses(engine, source, feature.name)
        except ComposeError:  # whoever reads the files says what is wrong with them
            continue
        rows = [] if uses is None else uses.select(["src_episode", "src_task"]).to_pylist()
        yield from (
            (feature.name, row["src_episode"], row["src_task"])
            for row in rows
            if row["src_task"] not in texts
        )


def _count(names: Any) -> int | None:
    """Return how many names there are, in lists and in objects of lists; None where that is unclear."""
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
    """Return height and width of a video's frames."""
    if not feature.is_video or len(feature.shape) != 3:
        return None, None
    return feature.picture_shape[0], feature.picture_shape[1]


def _files(source: Source) -> Iterator[Row]:
    for family, pattern in (
        ("data", "data/*/*.parquet"),
        ("meta/episodes", "meta/episodes/*/*.parquet"),
        ("videos", "videos/*/*/*.mp4"),
    ):
        for path in glob_files(source.root, pattern):
            yield family, path.relative_to(source.root).as_posix()


@dataclass(frozen=True)
class _CameraFile:
    """A video file that episodes lie in, as `catalog/camera_files` gives it."""

    src_dataset: str
    camera: str
    video_file: str
    episodes: int
    first_episode: int


def _videos(source: Source, engine: Engine, scratch: Path | None) -> tuple[list[Row], Damage]:
    """Return what each video file is like, and the files that Git LFS has not fetched."""
    files = engine.records("catalog/camera_files", _CameraFile)
    mine = [file for file in files if file.src_dataset == source.name]
    found = engine.workers().each(mine, lambda file: _probe(Path(file.video_file), scratch))
    looked_at = list(zip(mine, found, strict=True))
    pointers = (_pointer(file, video) for file, video in looked_at if isinstance(video, ComposeError))
    faults = as_damage(*(fault for fault in pointers if fault is not None))
    return [_video(file, video, source.fps) for file, video in looked_at], faults


def _probe(path: Path, scratch: Path | None) -> mp4.Video | ComposeError:
    try:
        return mp4.probe(path, scratch=scratch)
    except (MediaError, SourceBroken) as error:
        return error


def _pointer(file: _CameraFile, error: ComposeError) -> Fault | None:
    path = Path(file.video_file)
    if not is_pointer(path):
        return None
    return unreadable("lfs_pulled", path, error, episode=file.first_episode, feature=file.camera)


def _video(file: _CameraFile, video: mp4.Video | ComposeError, fps: Fraction) -> Row:
    path = Path(file.video_file)
    at = (file.camera, file.video_file)
    nothing = (None,) * 9
    if isinstance(video, ComposeError):
        if is_pointer(path):
            return (*at, *nothing, "pointer", "a Git LFS pointer")
        fault = "unreadable" if isinstance(video, MediaError) else "missing"
        return (*at, *nothing, fault, video.fault)
    pictures = (
        video.frames,
        float(video.fps),
        mp4.measure_grid_deviation_s(video, fps),
        video.width,
        video.height,
    )
    track = (video.codec, video.pix_fmt, video.has_audio, video.track.stalls)
    return (*at, *pictures, *track, None, None)


# Metadata files ---------------------------------------------------------------------------------


def _v3_facts(source: Source, known: Damage) -> tuple[_Facts, Damage]:
    files = glob_files(source.root / "meta" / "episodes", "*/*.parquet")
    columns, stats, unread = _episode_facts(source, [p for p in files if p not in known.unreadable])
    tasks = source.root / "meta" / "tasks.parquet"
    index: list[Row] = []
    nothing: list[Row] = []
    no_index = NO_DAMAGE
    if tasks not in known.unreadable and tasks.is_file():
        read = partial(_task_index, tasks)
        index, no_index = try_to(read, otherwise=nothing, code="metadata_readable", path=tasks)
    dataset_stats, no_stats = _dataset_statistics(source)
    facts: _Facts = {
        "task_index_facts": index,
        "episode_column_facts": columns,
        "episode_stats_facts": stats,
        "stats_facts": dataset_stats,
    }
    return facts, unread | no_index | no_stats


def _episode_facts(source: Source, files: Sequence[Path]) -> tuple[list[Row], pa.Table, Damage]:
    """Return the columns of the files of an episode list, and the statistics in them."""
    columns: list[Row] = []
    nothing = pa.schema(episode_stats.SHAPE).empty_table()
    stats, found, pictures = [nothing], NO_DAMAGE, _colours(source)
    last, kinds = pa.schema([]), list[tuple[str, str]]()
    for path in files:
        try:
            footer = read_footer(path)
            schema = footer.schema.to_arrow_schema()
            if not schema.equals(last):  # the usual files are alike
                last, kinds = schema, [(field.name, kind_of(field.type)) for field in schema]
            name = path.relative_to(source.root).as_posix()
            columns += [(name, *kind) for kind in kinds]
            stats.append(episode_stats.of_parquet(path, footer, schema, pictures))
        except SourceBroken as error:
            found |= as_damage(unreadable("metadata_readable", path, error, lacks="episode_stats_facts"))
    return columns, pa.concat_tables(stats), found


def _v2_facts(source: Source, known: Damage) -> tuple[_Facts, Damage]:
    if source.version == formats.V20:
        stats, no_stats = _dataset_statistics(source)
        return {"stats_facts": stats}, no_stats
    rows: list[Row] = []
    features: dict[str, None] = {}
    found = NO_DAMAGE
    path = source.root / "meta" / "episodes_stats.jsonl"
    try:
        for episode, parts in episode_stats.of_lines(path):
            features |= dict.fromkeys(parts)
            rows += _checked_stats(episode, parts, _colours(source))
    except SourceBroken as error:  # the lines before are as good as ever
        found = as_damage(unreadable("metadata_readable", path, error, lacks="episode_stats_facts"))
    columns: list[Row] = [("meta/episodes_stats.jsonl", f"stats/{name}/mean", None) for name in features]
    return {"episode_stats_facts": rows, "episode_column_facts": columns}, found


def _colours(source: Source) -> frozenset[str]:
    return frozenset(f.name for f in source.features if f.is_visual and not f.is_depth)


def _checked_stats(
    episode: int, parts: Mapping[str, Mapping[str, Any]], pictures: frozenset[str]
) -> Iterator[Row]:
    for feature, part in parts.items():
        for stat in episode_stats.checked(feature, pictures):
            if stat in part:
                yield episode, feature, stat, episode_stats.first(part.get(stat))


def _dataset_statistics(source: Source) -> tuple[list[Row], Damage]:
    path = source.root / "meta" / "stats.json"
    read = partial(_statistics, path)
    return try_to(read, otherwise=[], code="metadata_readable", path=path, lacks="stats_facts")


def _task_index(path: Path) -> list[Row]:
    """Return which columns pandas takes for the index of tasks.parquet, and which one has the texts."""
    schema = read_footer(path).schema.to_arrow_schema()
    texts = [name for name in schema.names if name != "task_index"] or ["task"]
    try:
        pandas = json.loads((schema.metadata or {})[b"pandas"])
        index = json.dumps(pandas["index_columns"])
    except (ValueError, KeyError, TypeError, RecursionError):
        index = None
    return [(index, "task" if "task" in texts else texts[0])]


def _statistics(path: Path) -> list[Row]:
    """Return each statistic in a stats.json with its shape, None where it is ragged."""
    shaped = (
        (feature, stat, _shape(value), value)
        for feature, part in (read_json(path).items() if path.is_file() else ())
        for stat, value in (part.items() if isinstance(part, dict) else ())
    )
    return [(f, stat, shape, None if shape is None else flatten_numbers(v)) for f, stat, shape, v in shaped]


def _shape(value: Any) -> list[int] | None:
    """Return the shape of nested lists of numbers; None where they are ragged or hold anything else."""
    if not isinstance(value, list):
        return [] if isinstance(value, int | float) else None
    inner = [_shape(part) for part in value]
    if any(shape is None or shape != inner[0] for shape in inner):
        return None
    return [len(value), *(inner[0] or [] if inner else [])]
