"""Makes the datasets that the benchmarks work on: any size, fixed seeds, sound to `lecompose check`.

    python benchmarks/generate.py OUT --version v3.0 --episodes 250 --frames 300 --seed 0
    python benchmarks/generate.py OUT --version v2.1 --episodes 60 --frames 40 --clips 4 --codec h264
    python benchmarks/generate.py OUT --episodes 50 --frames 100 --pictures
    python benchmarks/generate.py OUT --sources 4 --copies 10       OUT/source-0000 to OUT/source-0039

The toy recorder shows how a dataset is laid out; this one is built for speed. Vectors are random walks.
Videos, where asked for, are a few real encodes that the episodes take in turn. Pictures in the data files
are noise, no two alike: a PNG file of 225 KiB each frame.
"""

import argparse
import json
import multiprocessing
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from recording import FPS, Recording, Row, camera, clips, encode, stats, tables

MIB = 2**20
DATA_MIB, VIDEO_MIB, CHUNK_FILES = 100, 200, 1000
EPISODES_AT_ONCE = 10  # LeRobot writes its buffer of episode rows when it holds ten

# v3.0 -----------------------------------------------------------------------------------------


def write_v3(root: Path, recording: Recording) -> None:
    """The recording in format v3.0: many episodes a file, one row group an episode."""
    rows = [_row(recording, episode) for episode in range(recording.episodes)]
    numbers = []
    for row, found in zip(rows, _write_data_v3(root, recording, rows), strict=True):
        row |= _flat(found)
        numbers.append(found)
    for key in recording.cameras:
        _write_videos_v3(root, recording, rows, key)
    _write_episodes_v3(root, rows)
    _write_tasks_v3(root, recording.tasks)
    pooled = {name: stats.as_lists(part) for name, part in stats.pool_all(numbers).items()}
    tables.write_json(root / "meta/stats.json", pooled)
    info = {"total_tasks": len(recording.tasks), "data_files_size_in_mb": DATA_MIB}
    info |= {
        "video_files_size_in_mb": VIDEO_MIB,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }
    _write_info(root, recording, "v3.0", info)


def _row(recording: Recording, episode: int) -> Row:
    return {
        "episode_index": episode,
        "tasks": [recording.tasks[episode % len(recording.tasks)]],
        "length": recording.lengths[episode],
        "dataset_from_index": recording.starts[episode],
        "dataset_to_index": recording.starts[episode + 1],
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }


def _write_data_v3(root: Path, recording: Recording, rows: list[Row]) -> Iterator[dict[str, stats.Stats]]:
    """Each episode's statistics, once its rows are written and its place is noted in `rows`."""
    schema = tables.data_schema(recording.features(), list_name="List")
    file = DataFile(root, schema, 0)
    for row in rows:
        columns = recording.columns(row["episode_index"])
        if file.is_full(row["length"]):
            file.close()
            file = DataFile(root, schema, file.number + 1)
        file.add(recording.table(columns, row["episode_index"], schema))
        row["data/chunk_index"], row["data/file_index"] = divmod(file.number, CHUNK_FILES)
        yield recording.stats(row["episode_index"], columns)
    file.close()


class DataFile:
    """A data file being written; full by LeRobot's own rule."""

    def __init__(self, root: Path, schema: pa.Schema, number: int) -> None:
        chunk, file = divmod(number, CHUNK_FILES)
        path = root / f"data/chunk-{chunk:03d}/file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.number, self.frames = number, 0
        self._file: BinaryIO = path.open("wb")
        self._writer = pq.ParquetWriter(self._file, schema, compression="snappy", use_dictionary=True)

    def is_full(self, frames: int) -> bool:
        """Whether so many more frames, of average size, would reach the limit."""
        size = self._file.tell()
        return self.frames > 0 and size + size / self.frames * frames >= DATA_MIB * MIB

    def add(self, table: pa.Table) -> None:
        self._writer.write_table(table)
        self.frames += table.num_rows

    def close(self) -> None:
        self._writer.close()
        self._file.close()


def _write_videos_v3(root: Path, recording: Recording, rows: list[Row], key: str) -> None:
    for number, members in enumerate(_by_size(recording, rows, key)):
        chunk, file = divmod(number, CHUNK_FILES)
        before = 0
        for row in members:
            row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"] = chunk, file
            row[f"videos/{key}/from_timestamp"] = before / FPS
            before += row["length"]
            row[f"videos/{key}/to_timestamp"] = before / FPS
        clips = [recording.clip(key, row["episode_index"]).mp4 for row in members]
        camera.join(clips, root / f"videos/{key}/chunk-{chunk:03d}/file-{file:03d}.mp4")


def _by_size(recording: Recording, rows: list[Row], key: str) -> Iterator[list[Row]]:
    members: list[Row] = []
    size = 0
    for row in rows:
        more = len(recording.clip(key, row["episode_index"]).mp4)
        if members and size + more >= VIDEO_MIB * MIB:
            yield members
            members, size = [], 0
        members.append(row)
        size += more
    yield members


def _flat(parts: dict[str, stats.Stats]) -> Row:
    return {
        f"stats/{feature}/{stat}": (values if stat == "count" else values.astype("float64")).tolist()
        for feature, part in parts.items()
        for stat, values in part.items()
    }


def _write_episodes_v3(root: Path, rows: list[Row]) -> None:
    table = pa.Table.from_pylist(rows)
    groups = (table.slice(first, EPISODES_AT_ONCE) for first in range(0, len(table), EPISODES_AT_ONCE))
    tables.write_parquet(root / "meta/episodes/chunk-000/file-000.parquet", groups, table.schema)


def _write_tasks_v3(root: Path, tasks: Sequence[str]) -> None:
    """tasks.parquet with `task` as the index of the pandas frame: LeRobot finds tasks by it."""
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": list(tasks)})
    types = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": stored, "metadata": None}
        for name, (kind, stored) in types.items()
    ]
    index = {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object"}
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [index | {"metadata": {"encoding": "UTF-8"}}],
        "columns": columns,
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.3.3",
    }
    schema = table.schema.with_metadata({"pandas": json.dumps(pandas)})
    tables.write_parquet(root / "meta/tasks.parquet", [table.cast(schema)], schema)


# v2.1 -----------------------------------------------------------------------------------------


def write_v21(root: Path, recording: Recording) -> None:
    """The recording in format v2.1: one parquet file, and one mp4 a camera, for each episode."""
    schema = tables.data_schema(recording.features(), list_name="Sequence")
    episodes = range(recording.episodes)
    tables.write_json_lines(root / "meta/episodes_stats.jsonl", _episodes_v21(root, recording, schema))
    rows = (_row(recording, episode) for episode in episodes)
    kept = ("episode_index", "tasks", "length")
    tables.write_json_lines(root / "meta/episodes.jsonl", [{k: row[k] for k in kept} for row in rows])
    tasks = [{"task_index": n, "task": task} for n, task in enumerate(recording.tasks)]
    tables.write_json_lines(root / "meta/tasks.jsonl", tasks)
    info = {
        "total_tasks": len(tasks),
        "total_videos": recording.episodes * len(recording.cameras),
        "total_chunks": -(-recording.episodes // CHUNK_FILES),
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    _write_info(root, recording, "v2.1", info)


def _episodes_v21(root: Path, recording: Recording, schema: pa.Schema) -> Iterable[Row]:
    rows = []
    for episode in range(recording.episodes):
        chunk = f"chunk-{episode // CHUNK_FILES:03d}"
        columns = recording.columns(episode)
        path = root / f"data/{chunk}/episode_{episode:06d}.parquet"
        tables.write_parquet(path, [recording.table(columns, episode, schema)], schema)
        for key in recording.cameras:
            video = root / f"videos/{chunk}/{key}/episode_{episode:06d}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            video.write_bytes(recording.clip(key, episode).mp4)
        found = recording.stats(episode, columns)
        known = {n: {s: v for s, v in part.items() if s not in stats.QUANTILES} for n, part in found.items()}
        rows.append(
            {"episode_index": episode, "stats": {n: stats.as_lists(part) for n, part in known.items()}}
        )
    return rows


def _write_info(root: Path, recording: Recording, version: str, more: Row) -> None:
    info = {
        "codebase_version": version,
        "robot_type": "bench_arm",
        "fps": FPS,
        "features": recording.features(),
        "total_episodes": recording.episodes,
        "total_frames": recording.starts[-1],
        "chunks_size": CHUNK_FILES,
        "splits": {"train": f"0:{recording.episodes}"},
        **more,
    }
    if not recording.cameras:
        info["video_path"] = None
    tables.write_json(root / "meta/info.json", info)


# Several ---------------------------------------------------------------------------------------


def write(root: Path, recording: Recording, version: str) -> None:
    (write_v3 if version == "v3.0" else write_v21)(root, recording)


def write_several(out: Path, recording: Recording, version: str, *, sources: int, copies: int) -> None:
    """So many recordings of seeds in a row, made on all cores; then copies of each under more names."""
    jobs = [
        (out / f"source-{n:04d}", replace(recording, seed=recording.seed + n), version)
        for n in range(sources)
    ]
    processes = multiprocessing.get_context("fork")
    with processes.Pool() as pool:
        wanted = recording.wanted_clips
        clips.update(zip(wanted, pool.starmap(encode, wanted, chunksize=1), strict=True))
    with processes.Pool() as pool:  # forked now, so that it has the clips
        pool.starmap(write, jobs, chunksize=max(1, sources // 20))
    for n in range(sources, sources * copies):
        shutil.copytree(jobs[n % sources][0], out / f"source-{n:04d}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--version", choices=("v3.0", "v2.1"), default="v3.0")
    parser.add_argument("--episodes", type=int, default=250)
    parser.add_argument("--frames", type=int, default=300, help="about so many an episode")
    parser.add_argument("--clips", type=int, default=0, help="distinct videos a camera; 0: no cameras")
    parser.add_argument("--cameras", type=int, choices=(1, 2), default=2)
    parser.add_argument("--codec", choices=camera.ENCODERS, default="libsvtav1")
    parser.add_argument(
        "--pictures", action="store_true", help="a PNG picture of each frame in the data files"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sources", type=int, help="so many datasets in the folder, not one")
    parser.add_argument("--copies", type=int, default=1, help="of each of several, so many")
    args = parser.parse_args()
    recording = Recording(
        *(args.seed, args.episodes, args.frames, args.clips, args.pictures, args.codec, args.cameras)
    )
    if args.sources is None:
        write(args.out, recording, args.version)
    else:
        write_several(args.out, recording, args.version, sources=args.sources, copies=args.copies)


if __name__ == "__main__":
    main()
