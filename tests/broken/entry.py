"""What is told of a broken dataset, and the sound one that it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from broken.damage import CAMERA, Damage

V20, V21, V30 = "v2.0", "v2.1", "v3.0"
V2, ALL = (V20, V21), (V20, V21, V30)

# Episodes 0 and 1 share a file of data, video and episode list in v3.0; episode 2 has those of its own.
SETTINGS: dict[str, Any] = {
    "codec": "h264",
    "cameras": ("front",),
    "frames": (6, 5, 7),
    "tasks": ("pick", "place"),
    "frames_per_data_file": 11,
    "frames_per_video_file": 11,
    "episodes_per_meta_file": 2,
    "extra_features": {"next.reward": ("float32", (1,), lambda episode, frame: episode + frame / 8)},
}

EQUAL, SAME, WORKS = "equal", "same", "works"


@dataclass(frozen=True)
class Broken:
    """One way to be broken.

    `codes` → severity are what `check` must name, `file`, `episode` and `feature` (where told) the place of
    the first of them. `merge` is EQUAL where the output must hold what the undamaged dataset holds, SAME
    where it must hold what the damaged one does, read row by row, WORKS where it is another but sound one, or
    else the exit code.
    """

    name: str
    damage: Damage
    codes: Mapping[str, str]
    merge: str | int = EQUAL
    versions: tuple[str, ...] = ALL
    file: str | None = None
    episode: int | None = None
    feature: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    corrected: tuple[str, ...] = ()


ERROR, WARNING = "error", "warning"


def names(*codes: str, severity: str = ERROR) -> dict[str, str]:
    return dict.fromkeys(codes, severity)


def off(*codes: str) -> dict[str, str]:
    return names(*codes, severity=WARNING)


LAST_DATA = {V20: "data/chunk-000/episode_000002.parquet", V30: "data/chunk-000/file-001.parquet"}
LAST_VIDEO = {
    V20: f"videos/chunk-000/{CAMERA}/episode_000002.mp4",
    V30: f"videos/{CAMERA}/chunk-000/file-001.mp4",
}
DATA2, DATA3 = LAST_DATA[V20], LAST_DATA[V30]
VIDEO2, VIDEO3 = LAST_VIDEO[V20], LAST_VIDEO[V30]
META3 = "meta/episodes/chunk-000/file-001.parquet"
ODD = "naïve \"quoted\" 'task'\nof two lines; drop table episodes; --"


def both(name: str, damage: Damage, codes: Mapping[str, str], merge: str | int, **more: Any) -> list[Broken]:
    """A break of the last data file (`place="data"`) or video, whose names differ by version."""
    two, three = {"data": (DATA2, DATA3), "video": (VIDEO2, VIDEO3)}[more.pop("place")]
    return [
        Broken(name, damage, codes, merge, V2, file=two, **more),
        Broken(name, damage, codes, merge, (V30,), file=three, **more),
    ]
