"""polars: merging, reading and asking with lazy frames, streamed where that pays."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from queries import SQL

DATA_LIMIT = 100 * 2**20


@dataclass(frozen=True)
class Episode:
    """One output episode: which source, where its rows stand there, how many bytes they take."""

    source: int
    row: int
    frames: int
    size_bytes: float


# Merging --------------------------------------------------------------------------------------


def merge(sources: list[Path], out: Path, clock: Any) -> None:
    """scan_parquet → with_columns → sink_parquet, a query a planned file, in polars' own row groups."""
    clock.mark("import")
    frames, files = _shifted(sources), list(_files(_episodes(sources)))
    clock.mark("plan")
    for number, members in enumerate(files):
        path = _data_path(out / "all", number)
        _rows_of(frames, members).sink_parquet(path, compression="snappy", mkdir=True)
    clock.mark("data")


def merge_by_episode(sources: list[Path], out: Path, clock: Any) -> None:
    """The same rows with one row group an episode: polars cannot write such, so pyarrow's writer does.

    Written with the settings that lecompose writes with: snappy, no dictionary of floats.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    clock.mark("import")
    frames, files = _shifted(sources), list(_files(_episodes(sources)))
    schema = pq.read_schema(_data_files(sources[0])[0])
    whole = [field.name for field in schema if pa.types.is_integer(field.type)]
    clock.mark("plan")
    for number, members in enumerate(files):
        path = _data_path(out / "all", number)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = _rows_of(frames, members).collect(engine="streaming")
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
        at = 0
        with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=whole) as writer:
            for member in members:
                writer.write_table(table.slice(at, member.frames))
                at += member.frames
    clock.mark("data")


def _shifted(sources: list[Path]) -> list[pl.LazyFrame]:
    """A lazy frame a source, its three numbers moved to where they stand in the output."""
    frames, tasks = [], {}
    first_row = first_episode = 0
    for root in sources:
        info = json.loads((root / "meta/info.json").read_text())
        own = [tasks.setdefault(task, len(tasks)) for task in _tasks(root)]
        frames.append(
            pl.scan_parquet(_data_files(root)).with_columns(
                pl.col("index") + first_row,
                pl.col("episode_index") + first_episode,
                pl.col("task_index").replace_strict(list(range(len(own))), own, return_dtype=pl.Int64),
            )
        )
        first_row += info["total_frames"]
        first_episode += info["total_episodes"]
    return frames


def _rows_of(frames: list[pl.LazyFrame], members: list[Episode]) -> pl.LazyFrame:
    """The rows of neighbouring episodes, as slices of the sources they lie in."""
    spans: dict[int, tuple[int, int]] = {}
    for member in members:
        first, count = spans.get(member.source, (member.row, 0))
        spans[member.source] = (first, count + member.frames)
    return pl.concat([frames[source].slice(*span) for source, span in spans.items()])


def _episodes(sources: list[Path]) -> Iterator[Episode]:
    for number, root in enumerate(sources):
        lengths = _lengths(root)
        size = sum(path.stat().st_size for path in _data_files(root)) / max(1, sum(lengths))
        row = 0
        for frames in lengths:
            yield Episode(number, row, frames, size * frames)
            row += frames


def _files(episodes: Iterator[Episode]) -> Iterator[list[Episode]]:
    members: list[Episode] = []
    size = 0.0
    for episode in episodes:
        if members and size + episode.size_bytes >= DATA_LIMIT:
            yield members
            members, size = [], 0.0
        members.append(episode)
        size += episode.size_bytes
    yield members


def _data_files(root: Path) -> list[Path]:
    return sorted(root.glob("data/*/*.parquet"))


def _data_path(out: Path, number: int) -> Path:
    return out / f"data/chunk-{number // 1000:03d}/file-{number % 1000:03d}.parquet"


def _tasks(root: Path) -> list[str]:
    """The tasks of a source, in the order of their numbers."""
    path = root / "meta/tasks.parquet"
    rows = pl.read_parquet(path) if path.exists() else pl.read_ndjson(path.with_suffix(".jsonl"))
    return rows.sort("task_index")["task"].to_list()


def _lengths(root: Path) -> list[int]:
    files = sorted(root.glob("meta/episodes/*/*.parquet"))
    if files:
        return pl.scan_parquet(files).select("length").collect()["length"].to_list()
    lines = (root / "meta/episodes.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["length"] for line in lines]


# Reading --------------------------------------------------------------------------------------


def read_columns(sources: list[Path], out: Path, clock: Any) -> None:
    """Every column of the data files in memory, once: the floor for whatever looks at all values."""
    clock.mark("import")
    for root in sources:
        pl.scan_parquet(_data_files(root)).collect()
    clock.mark("read")


def read_episodes(sources: list[Path], out: Path, clock: Any) -> dict[str, int]:
    """Every episode's length and where it starts in the output: the least that a plan of a merge needs."""
    clock.mark("import")
    files = [path for root in sources for path in sorted(root.glob("meta/episodes/*/*.parquet"))]
    lengths = pl.scan_parquet(files).select("length").collect()["length"]
    starts = lengths.cum_sum()
    clock.mark("plan")
    return {"episodes": len(lengths), "frames": starts[-1]}


# Asking ---------------------------------------------------------------------------------------


def ask(sources: list[Path], out: Path, clock: Any) -> dict[str, list[Any]]:
    """Every query three times in one process, on lazy frames made anew: files are in the page cache."""
    clock.mark("import")
    answers = {}
    for name, query in zip(SQL, (_minutes, _highest, _where), strict=True):
        for attempt in ("first", "again", "warm"):
            answers[name] = _rows(query, sources)
            clock.mark(name if attempt == "warm" else f"{name}, {attempt}")
    return answers


def ask_minutes(sources: list[Path], out: Path, clock: Any) -> list[Any]:
    return _rows(_minutes, sources)


def ask_highest(sources: list[Path], out: Path, clock: Any) -> list[Any]:
    return _rows(_highest, sources)


def ask_where(sources: list[Path], out: Path, clock: Any) -> list[Any]:
    return _rows(_where, sources)


def _rows(query: Callable[[list[Path]], pl.DataFrame], sources: list[Path]) -> list[Any]:
    return [list(row) for row in query(sources).rows()]


def _minutes(sources: list[Path]) -> pl.DataFrame:
    parts = []
    for root in sources:
        fps = json.loads((root / "meta/info.json").read_text())["fps"]
        files = sorted(root.glob("meta/episodes/*/*.parquet"))
        parts.append(
            pl.scan_parquet(files).select(
                pl.col("tasks").list.first().alias("task"), (pl.col("length") / fps / 60).alias("minutes")
            )
        )
    return pl.concat(parts).group_by("task").agg(pl.col("minutes").sum()).sort("task").collect()


def _highest(sources: list[Path]) -> pl.DataFrame:
    parts = [
        pl.scan_parquet(_data_files(root)).select(
            pl.lit(root.name).alias("src_dataset"),
            pl.col("episode_index"),
            pl.col("action").arr.get(2).alias("highest"),
        )
        for root in sources
    ]
    by = ["src_dataset", "episode_index"]
    grouped = pl.concat(parts).group_by(by).agg(pl.col("highest").max()).sort(by)
    return grouped.collect(engine="streaming")


def _where(sources: list[Path]) -> pl.DataFrame:
    files = [path for root in sources for path in _data_files(root)]
    wanted = (pl.col("action").arr.get(0) > 0.5) & (pl.col("observation.state").arr.get(6) < 0)
    found = pl.scan_parquet(files).filter(wanted)
    return found.select(pl.len(), pl.col("timestamp").min()).collect(engine="streaming")
