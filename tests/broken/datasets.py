"""What happens to whole datasets: crashes, gaps, folders renamed, very many features."""

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from broken.damage import (
    CAMERA,
    DATA,
    EPISODES,
    TASKS,
    VIDEO,
    Row,
    column,
    edit_json,
    edit_lines,
    edit_parquet,
    in_camera,
    last,
    retyped,
    updated,
)


def crashed(root: Path) -> None:
    """The recorder died before it wrote the last episode's metadata; data and videos are there."""
    if (root / "meta/episodes").is_dir():
        last(root, EPISODES).unlink()
    else:
        edit_lines("meta/episodes.jsonl", lambda rows: rows[:-1])(root)


def extra_files(root: Path) -> None:
    """Files of an episode 7 that the list does not know."""
    data, clip = last(root, DATA), last(root, VIDEO)
    edited = column("episode_index", lambda values: [7] * len(values))(pq.read_table(data, partitioning=None))
    pq.write_table(edited, data.with_name("episode_000007.parquet"))
    clip.with_name("episode_000007.mp4").write_bytes(clip.read_bytes())


def extra_video(root: Path) -> None:
    clip = last(root, VIDEO)
    clip.with_name("file-007.mp4").write_bytes(clip.read_bytes())


def hollow(root: Path) -> None:
    """Episode 1 has no video."""
    if (root / "meta/episodes").is_dir():
        names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
        in_camera(1, **dict.fromkeys(names))(root)
    else:
        (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()


def gap_in_episodes(root: Path) -> None:
    """The last episode is number 5 everywhere."""
    edit_parquet(DATA, column("episode_index", lambda values: [5] * len(values)))(root)
    if (root / "meta/episodes").is_dir():
        edit_parquet(EPISODES, column("episode_index", lambda values: [5] * len(values)))(root)
        return
    edit_lines("meta/episodes.jsonl", updated(2, episode_index=5))(root)
    if (root / "meta/episodes_stats.jsonl").is_file():
        edit_lines("meta/episodes_stats.jsonl", updated(2, episode_index=5))(root)
    for path in (last(root, DATA), last(root, VIDEO)):
        path.rename(path.with_stem("episode_000005"))


def nan_length(root: Path) -> None:
    if (root / "meta/episodes").is_dir():
        last_nan = retyped("length", pa.float64(), lambda value: math.nan)
        edit_parquet(EPISODES, last_nan)(root)
    else:
        edit_lines("meta/episodes.jsonl", updated(2, length=math.nan))(root)


def folder_renamed(root: Path) -> None:
    (root / "videos").rename(root / "video")


def per_pixel(spec: Row) -> None:
    spec[CAMERA]["mean"] = [[[0.5] * 64] * 48] * 3


def wrong_keys(spec: Row) -> None:
    spec["state"] = spec.pop("observation.state")


def ints_in_stats(root: Path) -> None:
    kind = pa.list_(pa.int64())
    edit_parquet(EPISODES, retyped("stats/action/mean", kind, lambda v: [int(x) for x in v]))(root)


def twice_the_task(root: Path) -> None:
    if (root / TASKS).is_file():
        edit_parquet(TASKS, column("task", lambda tasks: [tasks[0]] * len(tasks)))(root)
        in_both = column("tasks", lambda held: [["pick"]] * len(held))
        edit_parquet(EPISODES, in_both, whole=True)(root)
    else:
        edit_lines("meta/tasks.jsonl", lambda rows: [row | {"task": "pick"} for row in rows])(root)
        edit_lines("meta/episodes.jsonl", lambda rows: [row | {"tasks": ["pick"]} for row in rows])(root)


def times_255(value: Any) -> Any:
    return [times_255(part) for part in value] if isinstance(value, list) else value * 255


def scaled(stats: dict[str, Any]) -> None:
    stats[CAMERA] = {name: v if name == "count" else times_255(v) for name, v in stats[CAMERA].items()}


def in_bytes(root: Path) -> None:
    """Statistics of a camera as of numbers of 8 bits."""

    def of_list(table: pa.Table) -> pa.Table:
        for at, name in enumerate(table.column_names):
            if name.startswith(f"stats/{CAMERA}/") and not name.endswith("count"):
                kept = table.schema.field(at)
                table = table.set_column(at, kept, pa.array(times_255(table[name].to_pylist()), kept.type))
        return table

    def of_line(row: dict[str, Any]) -> dict[str, Any]:
        scaled(row["stats"])
        return row

    if (root / "meta/episodes").is_dir():
        edit_parquet(EPISODES, of_list, whole=True)(root)
    if (root / "meta/stats.json").exists():
        edit_json("meta/stats.json", scaled)(root)
    if (root / "meta/episodes_stats.jsonl").exists():
        edit_lines("meta/episodes_stats.jsonl", lambda rows: list(map(of_line, rows)))(root)
