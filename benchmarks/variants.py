"""One merge by one tool, as a process of its own; prints the seconds of its stages as JSON.

    python benchmarks/variants.py polars --out OUT A B

`cp -r` needs no code and is not here. What each rival leaves undone stands in LACKS.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 2**20
DATA_LIMIT, VIDEO_LIMIT = 100 * MIB, 200 * MIB

_DATA_ONLY = "data files only: no meta/, no statistics, no check of sources or result"
LACKS = {
    "cp": "merges nothing: the sources stand side by side",
    "polars": f"{_DATA_ONLY}, no `huggingface` schema metadata",
    "polars-episode": _DATA_ONLY,
    "ffmpeg": "mp4 files only: no data, no meta/, no statistics, no checks; episode starts not noted",
}

Seconds = dict[str, float]


class Clock:
    """Seconds from one mark to the next, by name."""

    def __init__(self) -> None:
        self.seconds: Seconds = {}
        self._last = time.perf_counter()

    def mark(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


# lecompose ------------------------------------------------------------------------------------


def lecompose(sources: list[Path], out: Path, clock: Clock, *, row_groups: str) -> None:
    """The whole command; `plan` is all before the first stage: opening the sources, and the layout."""
    import lecompose.sdk

    clock.mark("import")
    report = lecompose.sdk.merge(sources, out=out, row_groups=row_groups)
    clock.mark("plan")
    clock.seconds["plan"] -= sum(report.seconds.values())
    clock.seconds |= report.seconds


# polars ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Episode:
    """One output episode: which source, where its rows stand there, how many bytes they take."""

    source: int
    row: int
    frames: int
    size_bytes: float


def polars_sink(sources: list[Path], out: Path, clock: Clock) -> None:
    """scan_parquet → with_columns → sink_parquet, a query a planned file, in polars' own row groups."""
    import polars  # noqa: F401 - timed here, used by the functions below

    clock.mark("import")
    frames, files = _shifted(sources), list(_files(_episodes(sources)))
    clock.mark("plan")
    for number, members in enumerate(files):
        path = _data_path(out, number)
        _rows_of(frames, members).sink_parquet(path, compression="snappy", mkdir=True)
    clock.mark("data")


def polars_episode(sources: list[Path], out: Path, clock: Clock) -> None:
    """The same rows with one row group an episode: polars cannot write such, so pyarrow's writer does.

    Written with the settings that lecompose writes with: snappy, no dictionary of floats.
    """
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    clock.mark("import")
    frames, files = _shifted(sources), list(_files(_episodes(sources)))
    schema = pq.read_schema(next(_data_files(sources[0])))
    whole = [field.name for field in schema if pa.types.is_integer(field.type)]
    clock.mark("plan")
    for number, members in enumerate(files):
        path = _data_path(out, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = _rows_of(frames, members).collect(engine="streaming")
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
        at = 0
        with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=whole) as writer:
            for member in members:
                writer.write_table(table.slice(at, member.frames))
                at += member.frames
    clock.mark("data")


def _shifted(sources: list[Path]) -> list[Any]:
    """A lazy frame a source, its three numbers moved to where they stand in the output."""
    import polars as pl

    frames, tasks = [], {}
    first_row = first_episode = 0
    for root in sources:
        info = json.loads((root / "meta/info.json").read_text())
        own = [tasks.setdefault(task, len(tasks)) for task in _tasks(root)]
        frames.append(
            pl.scan_parquet(list(_data_files(root))).with_columns(
                pl.col("index") + first_row,
                pl.col("episode_index") + first_episode,
                pl.col("task_index").replace_strict(list(range(len(own))), own, return_dtype=pl.Int64),
            )
        )
        first_row += info["total_frames"]
        first_episode += info["total_episodes"]
    return frames


def _rows_of(frames: list[Any], members: list[Episode]) -> Any:
    """The rows of neighbouring episodes, as slices of the sources they lie in."""
    import polars as pl

    slices = []
    for source in dict.fromkeys(member.source for member in members):
        own = [member for member in members if member.source == source]
        slices.append(frames[source].slice(own[0].row, sum(member.frames for member in own)))
    return pl.concat(slices)


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


def _data_files(root: Path) -> Iterator[Path]:
    return iter(sorted(root.glob("data/*/*.parquet")))


def _data_path(out: Path, number: int) -> Path:
    return out / f"data/chunk-{number // 1000:03d}/file-{number % 1000:03d}.parquet"


def _tasks(root: Path) -> list[str]:
    """The tasks of a source, in the order of their numbers."""
    import polars as pl

    path = root / "meta/tasks.parquet"
    rows = pl.read_parquet(path) if path.exists() else pl.read_ndjson(path.with_suffix(".jsonl"))
    return rows.sort("task_index")["task"].to_list()


def _lengths(root: Path) -> list[int]:
    import polars as pl

    files = sorted(root.glob("meta/episodes/*/*.parquet"))
    if files:
        return pl.scan_parquet(files).select("length").collect()["length"].to_list()
    lines = (root / "meta/episodes.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["length"] for line in lines]


# ffmpeg ---------------------------------------------------------------------------------------


def ffmpeg(sources: list[Path], out: Path, clock: Clock) -> None:
    """The concat demuxer with -c copy, a call an output file; where episodes start is not looked up."""
    for camera in _cameras(sources[0]):
        paths = [
            path for root in sources for path in sorted(root.glob("videos/**/*.mp4")) if camera in path.parts
        ]
        for number, members in enumerate(_by_size(paths)):
            target = out / f"videos/{camera}/chunk-000/file-{number:03d}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            listing = target.with_suffix(".txt")
            listing.write_text("".join(f"file '{path.absolute()}'\n" for path in members))
            command = ["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", "-i", str(listing)]
            subprocess.run([*command, "-c", "copy", "-movflags", "+faststart", str(target)], check=True)
            listing.unlink()
    clock.mark("video")


def _cameras(root: Path) -> list[str]:
    features = json.loads((root / "meta/info.json").read_text())["features"]
    return [name for name, feature in features.items() if feature["dtype"] == "video"]


def _by_size(paths: list[Path]) -> Iterator[list[Path]]:
    members: list[Path] = []
    size = 0
    for path in paths:
        if members and size + path.stat().st_size >= VIDEO_LIMIT:
            yield members
            members, size = [], 0
        members.append(path)
        size += path.stat().st_size
    yield members


VARIANTS = {
    "lecompose": lambda *job: lecompose(*job, row_groups="episode"),
    "lecompose-packed": lambda *job: lecompose(*job, row_groups="packed"),
    "polars": polars_sink,
    "polars-episode": polars_episode,
    "ffmpeg": ffmpeg,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    clock = Clock()
    VARIANTS[args.variant](args.sources, args.out, clock)
    json.dump({"seconds": clock.seconds}, sys.stdout)


if __name__ == "__main__":
    main()
