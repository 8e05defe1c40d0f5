"""Pointers that lead to other frames of videos than those of the episode, as mergers have written them.

The pictures are all there, in the order of the episodes. LeRobot 0.3.4 to 0.4.2 wrote many of these.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from broken.damage import CAMERA, EPISODES, VIDEO, Damage, info
from broken.entry import ALL, V2, V30, Broken, names

WRIST = "observation.images.wrist"
# Four episodes of six frames in one video; and in two videos, with two episodes each.
ONE_FILE = {"frames": (6, 6, 6, 6), "frames_per_video_file": 24, "frames_per_data_file": 12}
TWO_FILES = {"frames": (6, 6, 6, 6), "frames_per_video_file": 12, "frames_per_data_file": 12}
# Three files of unequal episodes, as of three sources merged.
UNEQUAL = {"frames": (6, 5, 4, 7, 8), "frames_per_video_file": 11, "frames_per_data_file": 11}
TWO_CAMERAS = {"cameras": ("front", "wrist")}
FIELDS = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")


def pointers(change: Callable[[int, dict[str, Any]], dict[str, Any]], camera: str = CAMERA) -> Damage:
    """Other pointers of a camera: `change` is given the number of an episode, and its pointers."""

    def damage(root: Any) -> None:
        for path in sorted(root.glob(EPISODES)):
            table = pq.read_table(path, partitioning=None)
            rows = [
                row | {f"videos/{camera}/{name}": value for name, value in new.items()}
                for row in table.to_pylist()
                for held in [{name: row[f"videos/{camera}/{name}"] for name in FIELDS}]
                for new in [change(row["episode_index"], held)]
            ]
            pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)

    return damage


def moved(by: Sequence[float]) -> Damage:
    """The clip of each episode so many frames later than it is."""
    shift = [frames / 30 for frames in by]
    return pointers(
        lambda episode, held: (
            held | {name: held[name] + shift[episode] for name in ("from_timestamp", "to_timestamp")}
        )
    )


def in_files(*numbers: int, by: Sequence[float] | None = None) -> Damage:
    """The clip of each episode in another file, and so many frames later."""

    def damage(root: Any) -> None:
        pointers(lambda episode, held: held | {"file_index": numbers[episode]})(root)
        moved(by or [0] * len(numbers))(root)

    return damage


def exchanged(root: Path) -> None:
    """The first two files of a camera have each other's content."""
    one, other = sorted(root.glob(VIDEO))[:2]
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


OVERLAP = names("video_overlap")
V3_FRONT = f"videos/{CAMERA}/chunk-{{chunk_index:03d}}/file-{{file_index:03d}}.mp4"
V2_FRONT = f"videos/chunk-{{episode_chunk:03d}}/{CAMERA}/episode_{{episode_index:06d}}.mp4"
V3_USUAL = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
V2_DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
V2_USUAL = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"

POINTERS: list[Broken] = [
    Broken(
        "all episodes in one span",
        moved((18, 12, 6, 0)),
        OVERLAP,
        3,
        (V30,),
        feature=CAMERA,
        settings=ONE_FILE,
    ),
    Broken(
        "two sources without an offset",
        moved((0, 0, -12, -12)),
        OVERLAP,
        3,
        (V30,),
        feature=CAMERA,
        settings=ONE_FILE,
    ),
    Broken(
        "an offset added twice",
        moved((0, 0, 12, 12)),
        names("video_spans"),
        3,
        (V30,),
        feature=CAMERA,
        settings=ONE_FILE,
    ),
    Broken(
        "times that go on in the next file",
        moved((0, 0, 11, 11, 22)),
        names("video_spans"),
        3,
        (V30,),
        feature=CAMERA,
        settings=UNEQUAL,
    ),
    Broken(
        "all episodes in the last file",
        in_files(1, 1, 1, 1),
        OVERLAP,
        3,
        (V30,),
        feature=CAMERA,
        settings=TWO_FILES,
    ),
    Broken(
        "all episodes in the first file",
        in_files(0, 0, 0, 0),
        OVERLAP,
        3,
        (V30,),
        feature=CAMERA,
        settings=TWO_FILES,
    ),
    Broken(
        "a file that no episode names",
        in_files(0, 0, 0, 0, 2),
        OVERLAP,
        3,
        (V30,),
        feature=CAMERA,
        settings=UNEQUAL,
    ),
    Broken(
        "video file_index one too high",
        in_files(1, 1, 2, 2),
        names("video_present"),
        3,
        (V30,),
        feature=CAMERA,
        settings=TWO_FILES,
    ),
    Broken(
        "video chunk_index one too high",
        pointers(lambda episode, held: held | {"chunk_index": 1}),
        names("video_present"),
        3,
        (V30,),
        feature=CAMERA,
        settings=TWO_FILES,
    ),
    Broken(
        "video files exchanged", exchanged, names("video_exchanged", "video_spans"), 3, ALL, feature=CAMERA
    ),
    Broken(
        "no pointers to videos",
        pointers(lambda episode, held: dict.fromkeys(held)),
        names("video_named"),
        3,
        (V30,),
        feature=CAMERA,
        settings=UNEQUAL,
    ),
    Broken(
        "cameras led to one file",
        info(video_path=V3_FRONT),
        names("path_templates"),
        3,
        (V30,),
        settings=TWO_CAMERAS,
    ),
    Broken(
        "cameras led to one file",
        info(video_path=V2_FRONT),
        names("path_templates"),
        3,
        V2,
        settings=TWO_CAMERAS,
    ),
    Broken(
        "templates of another version",
        info(
            video_path=V2_USUAL,
            data_path="data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        ),
        names("path_templates"),
        3,
        (V30,),
    ),
    Broken(
        "templates of another version",
        info(video_path=V3_USUAL, data_path="data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"),
        names("path_templates"),
        3,
        V2,
    ),
]
