"""One recording: its values, pictures and statistics, all decided by a seed; generate.py writes it down."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
from recorder import camera, scene, stats, tables
from recorder.robot import DEFAULTS

FPS = 30
VECTORS = {"observation.state": 14, "action": 14}
CAMERAS = ("observation.images.front", "observation.images.wrist")
PICTURE = (320, 240)
IMAGE = "observation.images.top"

Row = dict[str, Any]
clips: dict[tuple[int, int, str], "Clip"] = {}
"""Those that are encoded already, by what `encode` was told."""


@dataclass(frozen=True)
class Clip:
    """One encoded video and the statistics of its pictures."""

    mp4: bytes
    frames: int
    stats: stats.Stats


@dataclass(frozen=True)
class Recording:
    """All that decides one dataset, apart from its format version."""

    seed: int
    episodes: int
    frames: int
    clips: int = 0
    has_pictures: bool = False
    codec: str = "libsvtav1"
    filmed_by: int = len(CAMERAS)

    @property
    def cameras(self) -> tuple[str, ...]:
        return CAMERAS[: self.filmed_by] if self.clips else ()

    @cached_property
    def tasks(self) -> list[str]:
        """Three tasks, two of them shared with the source of the next seed; twenty in all sources."""
        return [f"put block {(self.seed + n) % 20} into the box" for n in range(min(3, self.episodes))]

    @cached_property
    def lengths(self) -> list[int]:
        """Frames of each episode: about `frames`, or those of its clip."""
        if self.clips:
            return [self.clip(CAMERAS[0], e).frames for e in range(self.episodes)]
        spread = self.frames // 5
        drawn = np.random.default_rng(self.seed).integers(-spread, spread + 1, self.episodes)
        return [max(1, self.frames + int(n)) for n in drawn]

    @cached_property
    def starts(self) -> list[int]:
        """The `index` of each episode's first frame, and the number of all frames."""
        return [0, *np.cumsum(self.lengths).tolist()]

    @property
    def wanted_clips(self) -> list[tuple[int, int, str]]:
        """What `encode` is told for each clip of each camera: the same in recordings of all seeds."""
        return [
            (n, self.frames + number, self.codec)
            for n in range(len(self.cameras))
            for number in range(self.clips)
        ]

    def clip(self, key: str, episode: int) -> Clip:
        """The video of one episode."""
        wanted = (CAMERAS.index(key), self.frames + episode % self.clips, self.codec)
        if wanted not in clips:
            clips[wanted] = encode(*wanted)
        return clips[wanted]

    def columns(self, episode: int) -> dict[str, np.ndarray]:
        """Every data column of one episode. Shape: (length,) or (length, dimension)."""
        rng = np.random.default_rng([self.seed, episode])
        length = self.lengths[episode]
        frame = np.arange(length, dtype=np.int64)
        steps = rng.standard_normal((length, VECTORS["observation.state"]), dtype=np.float32)
        state = np.cumsum(steps * np.float32(0.02), axis=0, dtype=np.float32)
        return {
            "observation.state": state,
            "action": state + np.float32(0.01) * rng.standard_normal(state.shape, dtype=np.float32),
            "timestamp": (frame / FPS).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(length, episode, dtype=np.int64),
            "index": frame + self.starts[episode],
            "task_index": np.full(length, episode % len(self.tasks), dtype=np.int64),
        }

    def stats(self, episode: int, columns: dict[str, np.ndarray]) -> dict[str, stats.Stats]:
        """Statistics of every feature of one episode."""
        found = describe(columns) | {key: self.clip(key, episode).stats for key in self.cameras}
        if self.has_pictures:
            length = self.lengths[episode]
            noise = self._noise(episode)
            found[IMAGE] = stats.describe_pictures(iter(noise), length, quantiles=True)
        return found

    def table(self, columns: dict[str, np.ndarray], episode: int, schema: pa.Schema) -> pa.Table:
        """One episode in the types of the data files."""
        if not self.has_pictures:
            return table_of(columns, schema)
        files = [
            {"bytes": scene.png(image, level=0), "path": f"frame-{frame:06d}.png"}
            for frame, image in enumerate(self._noise(episode))
        ]
        return table_of(columns | {IMAGE: pa.array(files, tables.PNG_FILE)}, schema)

    def _noise(self, episode: int) -> Iterator[np.ndarray]:
        rng = np.random.default_rng([self.seed, episode, 1])
        width, height = PICTURE
        for _ in range(self.lengths[episode]):
            yield rng.integers(0, 256, (height, width, 3), dtype=np.uint8)

    def features(self) -> dict[str, Row]:
        """`features` as info.json holds them."""
        result: dict[str, Row] = {
            name: {"dtype": "float32", "shape": [n], "names": [f"joint_{i}" for i in range(n)]}
            for name, n in VECTORS.items()
        }
        width, height = PICTURE
        for key in self.cameras:
            result[key] = {
                "dtype": "video",
                "shape": [height, width, 3],
                "names": ["height", "width", "channels"],
                "info": _video_info(width, height, camera.ENCODERS[self.codec].stream),
            }
        if self.has_pictures:
            names = ["height", "width", "channels"]
            result[IMAGE] = {"dtype": "image", "shape": [height, width, 3], "names": names}
        return result | {n: {"dtype": d, "shape": [1], "names": None} for n, d in DEFAULTS.items()}


def describe(columns: dict[str, np.ndarray]) -> dict[str, stats.Stats]:
    """Statistics of all columns of an episode, taken over one matrix: exact, quantiles included."""
    parts = [column.reshape(len(column), -1) for column in columns.values()]
    rows = np.concatenate([part.astype(np.float64) for part in parts], axis=1)
    rows.sort(axis=0)
    whole = {"min": rows[0], "max": rows[-1], "mean": rows.mean(axis=0), "std": rows.std(axis=0)}
    for name, share in stats.QUANTILES.items():
        place = share * (len(rows) - 1)
        low, part = int(place), place - int(place)
        high = min(low + 1, len(rows) - 1)
        whole[name] = rows[low] + (rows[high] - rows[low]) * part
    edges = np.cumsum([0, *(part.shape[1] for part in parts)])
    return {
        name: {stat: numbers[edges[n] : edges[n + 1]] for stat, numbers in whole.items()}
        | {"count": np.array([len(rows)])}
        for n, name in enumerate(columns)
    }


# Video ----------------------------------------------------------------------------------------


def encode(number: int, length: int, codec: str) -> Clip:
    """A clip of a drifting texture, as LeRobot records it: AV1 with as many bytes a frame as a robot's."""
    frames = list(_pictures(number, length))
    mp4 = camera.encode(frames, codec=codec, size=PICTURE, fps=FPS, gop=2, crf=30)
    return Clip(mp4, length, stats.describe_pictures(iter(frames), length, quantiles=True))


def _pictures(number: int, length: int) -> Iterator[np.ndarray]:
    width, height = PICTURE
    rng = np.random.default_rng([number, length])
    texture = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    image = texture.repeat(8, axis=0).repeat(8, axis=1)
    for frame in range(length):
        grain = rng.integers(0, 7, image.shape, dtype=np.uint8)
        yield np.roll(image, (frame, 2 * frame), axis=(0, 1)) // 2 + grain


def _video_info(width: int, height: int, codec: str) -> Row:
    return {
        "video.height": height,
        "video.width": width,
        "video.codec": codec,
        "video.pix_fmt": "yuv420p",
        "video.fps": FPS,
        "video.channels": 3,
        "has_audio": False,
        "is_depth_map": False,
    }


def table_of(columns: dict[str, np.ndarray | pa.Array], schema: pa.Schema) -> pa.Table:
    """Columns in the types of the data files."""
    arrays = []
    for field in schema:
        column = columns[field.name]
        values = column if isinstance(column, pa.Array) else pa.array(column.ravel())
        fixed = pa.types.is_fixed_size_list(field.type)
        arrays.append(pa.FixedSizeListArray.from_arrays(values, type=field.type) if fixed else values)
    return pa.Table.from_arrays(arrays, schema=schema)
