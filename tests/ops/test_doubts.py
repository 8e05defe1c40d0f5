"""Datasets that contradict themselves: which side is taken is told by everything that writes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from broken.damage import CAMERA, column, edit_lines, edit_parquet, in_camera, last
from support.effort import every_nth

import lecompose

Record = Callable[..., Path]


def exchange_tasks(root: Path) -> None:
    edit_lines("meta/tasks.jsonl", lambda rows: [rows[0] | {"task": "place"}, rows[1] | {"task": "pick"}])(
        root
    )


def exchange_rows(root: Path) -> None:
    for number, other in ((1, 2), (2, 1)):
        edit = column("episode_index", lambda values, other=other: [other] * len(values))
        edit_parquet(f"data/chunk-000/episode_00000{number}.parquet", edit)(root)


def shift_videos(root: Path) -> None:
    for number in range(3):
        folder = root / f"videos/chunk-000/{CAMERA}"
        (folder / f"episode_00000{number + 1}.mp4").replace(folder / f"episode_00000{number}.mp4")
    for name in ("episodes", "episodes_stats"):
        edit_lines(f"meta/{name}.jsonl", lambda rows: rows[:-1])(root)
    last(root, "data/*/*.parquet").unlink()


def exchange_clips(root: Path) -> None:
    in_camera(1, from_timestamp=10 / 30, to_timestamp=15 / 30)(root)
    in_camera(2, from_timestamp=5 / 30, to_timestamp=10 / 30)(root)


@every_nth(3)
@pytest.mark.parametrize("verb", ["merge", "repair"])
@pytest.mark.parametrize(
    ("version", "contradict", "told"),
    [
        ("v2.1", exchange_tasks, "episode_tasks"),
        ("v2.1", exchange_rows, "the rows count"),
        ("v2.1", shift_videos, "are these their videos?"),
        ("v3.0", exchange_clips, "video_order"),
    ],
)
def test_a_contradiction_is_told(
    verb: str, version: str, contradict: Callable[[Path], None], told: str, recorded: Record, tmp_path: Path
) -> None:
    root = tmp_path / "day"
    frames = (5, 6, 7, 8) if contradict is shift_videos else (5, 5, 5)
    cameras = ("front",) if version == "v3.0" or contradict is shift_videos else ()
    given = recorded(version=version, codec="h264", cameras=cameras, frames=frames, tasks=("pick", "place"))
    shutil.copytree(given, root)
    contradict(root)
    notes = getattr(lecompose, verb)(root, out=tmp_path / "out").notes
    assert [note for note in notes if told in note] != []
    assert [
        note for note in getattr(lecompose, verb)(given, out=tmp_path / "sound").notes if told in note
    ] == []
