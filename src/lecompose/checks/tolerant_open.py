"""Opens a dataset of which anything may be broken: what can be read becomes relations, the rest faults."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.checks import salvage
from lecompose.checks.faults import Reading
from lecompose.checks.footers import Footers
from lecompose.checks.info import source_of
from lecompose.dataset.catalog import Catalog, CustomColumns, Source, locate
from lecompose.dataset.catalog.custom_columns import read_custom_columns
from lecompose.dataset.catalog.data_files import DataFile, footer, payload_bytes, read_pages
from lecompose.dataset.catalog.lineage import LINEAGE_PATH, register_source_lineage
from lecompose.dataset.catalog.register import (
    choose_read_options,
    data_file_rows,
    dataset_rows,
    feature_rows,
    placement,
    register_clips,
    register_episodes,
)
from lecompose.dataset.catalog.tasks import register_tasks
from lecompose.engine import Engine
from lecompose.errors import ComposeError, MediaError, QueryError, SourceBroken, SourceNotFound
from lecompose.files import mp4

PLACEMENT = pa.schema(
    {
        "src_dataset": pa.string(),
        "src_episode": pa.int64(),
        "data_file": pa.string(),
        "last_data_file": pa.string(),
        "row_from": pa.int64(),
        "row_to": pa.int64(),
        "rows": pa.int64(),
        "in_order": pa.bool_(),
        "index_from": pa.int64(),
        "index_in_order": pa.bool_(),
        "off_grid_s": pa.float64(),
        "task_frames": pa.map_(pa.int64(), pa.uint64()),
    }
)
_NUMBERED = ("episode_index", "frame_index", "index", "task_index")


def folder_of(given: str | Path) -> Path:
    """The dataset's folder, also where it lacks info.json.

    Errors: SourceNotFound for what is no dataset at all.
    """
    try:
        return locate(given)
    except SourceNotFound:
        root = Path(given).expanduser()
        if str(given) and any((root / "meta").glob("*")):
            return root.resolve()
        raise


def opened(engine: Engine, given: str | Path) -> tuple[Catalog, Reading, Footers]:
    """The dataset as a catalog of what can be read, what cannot, and the footers of its data files.

    The catalog has the relations that promises read; without a source where info.json tells nothing.
    Errors: SourceNotFound for what is no dataset at all.
    """
    root = folder_of(given)
    reading = Reading(root)
    source = source_of(root, str(given), reading)
    if source is None:
        _look_at_files(root, reading, engine.threads)
        return Catalog(engine, (), CustomColumns((), 0)), reading, {}
    _register_tasks(engine, source, reading)
    _register_episodes(engine, source, reading)
    source, files = _data_files(engine, source, reading)
    with ThreadPoolExecutor(engine.threads) as pool:
        footers = dict(_footers(source, files, reading, pool))
    files = [file for file in files if file.path in footers]
    engine.load("data_files", data_file_rows((source, file) for file in files))
    engine.load("placement", _placement(engine, source, _placeable(files, footers, reading), reading))
    _note_missing_files(engine, source, reading)
    engine.load("datasets", dataset_rows((source,)))
    engine.load("features", feature_rows((source,)))
    _look_at_the_rest(engine, source, reading)
    return Catalog(engine, (source,), CustomColumns((), 0)), reading, footers


def _look_at_the_rest(engine: Engine, source: Source, reading: Reading) -> None:
    """Per-episode columns of the dataset's own and its lineage, which only operations read."""
    (totals,) = engine.rows("verify/declared_episodes")
    if not totals["episodes"]:
        reading.lacking.add("stats_facts")  # of nothing there are no statistics
    elif "declared" not in reading.lacking:
        name = "episodes" if source.is_v3 else "episodes.jsonl"
        with reading.guarded("metadata_readable", source.root / "meta" / name):
            read_custom_columns(engine, source)
        with reading.guarded("metadata_readable", source.root / LINEAGE_PATH):
            if (lineage := register_source_lineage(engine, source)) is not None:
                commands = [row["command"] for row in engine.rows("catalog/commands", {"lineage": lineage})]
                if any(_asks_for(command, source.fps) for command in commands):
                    reading.forgive("fps_whole")


def _asks_for(command: str, fps: Fraction) -> bool:
    """Whether a command of ours, as a lineage has it, was to make an output of this rate."""
    with suppress(ValueError, ZeroDivisionError):
        words = shlex.split(command)
        rates = [value for option, value in pairwise(words) if option in ("--retime", "--fps")]
        return any(Fraction(rate).limit_denominator(100_000) == fps for rate in rates)
    return False


# Without info.json ------------------------------------------------------------------------------


def _look_at_files(root: Path, reading: Reading, threads: int) -> None:
    """Note every parquet and video file that cannot be read; that much needs no info.json."""
    parquet, videos = sorted(root.rglob("*.parquet")), sorted(root.rglob("*.mp4"))
    with ThreadPoolExecutor(threads) as pool:
        for path, error in zip(parquet, pool.map(_parquet_error, parquet), strict=True):
            if error is not None:
                in_meta = path.is_relative_to(root / "meta")
                reading.broken("metadata_readable" if in_meta else "data_readable", path, error)
        for path, error in zip(videos, pool.map(_video_error, videos), strict=True):
            if error is not None:
                reading.broken("video_readable", path, error)


def _parquet_error(path: Path) -> ComposeError | None:
    try:
        payload_bytes(path)
        footer(path)
    except SourceBroken as error:
        return error
    return None


def _video_error(path: Path) -> ComposeError | None:
    try:
        mp4.probe(path)
    except (MediaError, SourceBroken) as error:
        # What only has to be remuxed is no fault.
        return None if "has to be remuxed" in str(error) else error
    return None


# Metadata ---------------------------------------------------------------------------------------


def _register_tasks(engine: Engine, source: Source, reading: Reading) -> None:
    try:
        register_tasks(engine, [source])
    except (SourceBroken, QueryError) as error:
        engine.load("tasks", salvage.tasks(source, reading, error))


def _register_episodes(engine: Engine, source: Source, reading: Reading) -> None:
    """`declared` and `clips`, row by row where they cannot be had as a whole."""
    try:
        register_episodes(engine, [source])
        register_clips(engine, [source])
    except (SourceBroken, QueryError) as error:
        if engine.has("declared"):
            engine.drop("declared")
        rows, found = salvage.episodes(source, reading, error)
        engine.load("declared", rows)
        engine.load("clips", found)
        _note_missing_folder(source, reading, rows.num_rows)
        return
    (totals,) = engine.rows("verify/declared_episodes")
    _note_missing_folder(source, reading, totals["episodes"])


def _note_missing_folder(source: Source, reading: Reading, episodes: int) -> None:
    """A video template whose folder is not there is one fault, not one for each file."""
    default = formats.VIDEO_PATH if source.is_v3 else formats.V2_VIDEO_PATH
    template = str(source.info.get("video_path") or default)
    folder = template.partition("{")[0].rpartition("/")[0]
    if not episodes or not source.cameras or (source.root / folder).is_dir():
        return
    beside = sorted(p.name for p in source.root.iterdir() if p.is_dir() and p.name not in ("data", "meta"))
    there = f"; there is {', '.join(f'{name}/' for name in beside)}" if beside else ""
    for camera in source.cameras:
        reading.note(
            "path_templates",
            source.root / "meta/info.json",
            f'video_path is "{template}", and there is no folder {folder}/{there}',
            feature=camera.name,
            lacks="clips",
        )


# Data files -------------------------------------------------------------------------------------


def _data_files(engine: Engine, source: Source, reading: Reading) -> tuple[Source, list[DataFile]]:
    """The data files by their template, or by the usual one where that finds none; broken ones are noted."""
    usual = formats.DATA_PATH if source.is_v3 else formats.V2_DATA_PATH
    template = str(source.info.get("data_path") or usual)
    paths = sorted(source.root.glob(formats.path_glob(template)))
    if not paths and template != usual and (paths := sorted(source.root.glob(formats.path_glob(usual)))):
        path = source.root / "meta/info.json"
        reading.note("path_templates", path, f'data_path is "{template}", the files are named as "{usual}"')
        source = replace(source, info={**source.info, "data_path": usual})
    (totals,) = engine.rows("verify/declared_episodes")
    if not paths and (totals["episodes"] or "declared" in reading.lacking):
        reading.unreadable.add(source.root / "data")
        reading.note(
            "data_readable",
            source.root / "data",
            f"no data file matches {formats.path_glob(template)}",
            lacks="placement",
        )
    return source, list(_whole_files(source, paths, reading))


def _whole_files(source: Source, paths: Sequence[Path], reading: Reading) -> Iterator[DataFile]:
    for path in paths:
        try:
            yield DataFile(path, payload_bytes(path))
        except SourceBroken as error:
            reading.broken("data_readable", path, error, episode=_episode_of(source, path), lacks="placement")


def _episode_of(source: Source, path: Path) -> int | None:
    """The episode that a data file of v2.x has in its name."""
    number = re.search(r"(\d+)$", path.stem)
    return int(number[1]) if number and not source.is_v3 else None


def _footers(
    source: Source, files: Sequence[DataFile], reading: Reading, pool: ThreadPoolExecutor
) -> Iterator[tuple[Path, pq.FileMetaData]]:
    def read(file: DataFile) -> pq.FileMetaData | SourceBroken:
        try:
            found = footer(file.path)
            read_pages(file.path, found)
            return found
        except SourceBroken as error:
            return error

    for file, found in zip(files, pool.map(read, files), strict=True):
        if isinstance(found, SourceBroken):
            episode = _episode_of(source, file.path)
            reading.broken("data_readable", file.path, found, episode=episode, lacks="placement")
        else:
            yield file.path, found


def _placeable(files: Sequence[DataFile], footers: Footers, reading: Reading) -> list[DataFile]:
    """The files that have the columns by which rows are placed; `columns` tells of the others."""
    kept = []
    for file in files:
        schema = footers[file.path].schema.to_arrow_schema()
        numbers = [schema.field(n).type if n in schema.names else None for n in (*_NUMBERED, "timestamp")]
        if all(kind is not None and _is_number(kind) for kind in numbers):
            kept.append(file)
        else:
            reading.lacking.add("placement")
    return kept


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _placement(engine: Engine, source: Source, files: list[DataFile], reading: Reading) -> pa.Table:
    parts = [part.cast(PLACEMENT) for part in _placed(engine, source, files, reading)]
    return pa.concat_tables(parts) if parts else PLACEMENT.empty_table()


def _placed(engine: Engine, source: Source, files: list[DataFile], reading: Reading) -> Iterator[pa.Table]:
    """Where episodes lie in these files; where they cannot be read together, half by half."""
    if not files:
        return
    try:
        mine = [(source, file) for file in files]
        yield engine.arrow("catalog/placement", **placement(mine, choose_read_options(source, files)))
        return
    except (SourceBroken, QueryError) as error:
        if len(files) == 1:
            path = files[0].path
            lost = SourceBroken(_reason(error))
            episode = _episode_of(source, path)
            reading.broken("data_readable", path, lost, episode=episode, lacks="placement")
            return
    half = len(files) // 2
    yield from _placed(engine, source, files[:half], reading)
    yield from _placed(engine, source, files[half:], reading)


def _note_missing_files(engine: Engine, source: Source, reading: Reading) -> None:
    """Note the data files that are named for episodes whose rows are nowhere, and that are not there."""
    if source.root / "data" in reading.unreadable:
        return
    default, names = formats.V2_DATA_PATH, ("episode_chunk", "episode_index")
    if source.is_v3:
        default, names = formats.DATA_PATH, ("chunk_index", "file_index")
    template = str(source.info.get("data_path") or default)
    values = {"data_format": formats.path_format(template, names), "chunks_size": source.chunks_size}
    for row in engine.rows("verify/unplaced", is_v3=source.is_v3, **values):
        path = source.root / row["data_file"]
        if not path.exists():
            more = "" if row["episodes"] == 1 else f"; so for {row['episodes']} episodes"
            first = row["first_episode"]
            reading.note("data_readable", path, f"it is missing{more}", episode=first, lacks="placement")


def _reason(error: ComposeError) -> str:
    """Why the engine could not read a file, in its first line, without the statement and the path."""
    line = str(error.__cause__ or error).partition("\n")[0]
    said = re.sub(r'(?:in|of|reading|read)? ?file "[^"]*"', "", line.partition(" Error: ")[2] or line)
    return f"its pages cannot be read: {' '.join(said.split())}".replace(os.sep + " ", " ")
