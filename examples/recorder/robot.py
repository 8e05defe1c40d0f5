"""The toy robot: which features it has, and what one episode of it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recorder import camera, scene

Column = NDArray[Any] | list[Any]
DEFAULTS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}


@dataclass(frozen=True)
class Robot:
    """All that decides a recording, apart from how it is laid out in files."""

    seed: int
    fps: int
    lengths: tuple[int, ...]
    cameras: tuple[str, ...]
    images: tuple[str, ...]
    size: tuple[int, int]
    codec: str
    gop: int
    crf: int
    tasks: tuple[str, ...]
    task_of: Callable[[int, int], str] | None
    type: str | None
    dims: dict[str, int]
    extra: dict[str, tuple[str, tuple[int, ...], Callable[[int, int], Any]]]

    @cached_property
    def task_numbers(self) -> dict[str, int]:
        """The tasks in use, numbered as they first appear."""
        used = (task for episode in range(len(self.lengths)) for task in self.episode_tasks(episode))
        return {task: number for number, task in enumerate(dict.fromkeys(used))}

    @cached_property
    def starts(self) -> list[int]:
        """The `index` of each episode's first frame, and one past the last frame of all."""
        return [0, *np.cumsum(self.lengths, dtype=np.int64).tolist()]

    def task(self, episode: int, frame: int) -> str:
        """What the robot does at this frame."""
        return self.task_of(episode, frame) if self.task_of else self.tasks[episode % len(self.tasks)]

    def episode_tasks(self, episode: int) -> list[str]:
        """The tasks of an episode as they first appear."""
        frames = range(self.lengths[episode] if self.task_of else 1)
        return list(dict.fromkeys(self.task(episode, frame) for frame in frames))

    def features(self, video_info: dict[str, Any], *, info_key: str = "info") -> dict[str, dict[str, Any]]:
        """`features` as info.json holds them; their order is the column order of the data."""
        width, height = self.size
        image = {"shape": [height, width, 3], "names": ["height", "width", "channels"]}
        named = {
            name: {"dtype": "float32", "shape": [dim], "names": [f"joint_{i}" for i in range(dim)]}
            for name, dim in self.dims.items()
        }
        named |= {name: _unnamed(dtype, shape) for name, (dtype, shape, _) in self.extra.items()}
        named |= {name: {"dtype": "image", **image} for name in self.images}
        named |= {name: {"dtype": "video", **image, info_key: video_info} for name in self.cameras}
        return named | {name: _unnamed(dtype, (1,)) for name, dtype in DEFAULTS.items()}

    def columns(self, episode: int) -> dict[str, Column]:
        """Every data column of one episode, without the pictures. Shape: (length, …) each."""
        length, start = self.lengths[episode], self.starts[episode]
        frames = np.arange(length)
        columns: dict[str, Column] = {
            name: _stacked([*scene.values(name, episode, length, seed=self.seed, dim=dim)], "float32", (dim,))
            for name, dim in self.dims.items()
        }
        for name, (dtype, shape, give) in self.extra.items():
            given = [give(episode, frame) for frame in range(length)]
            columns[name] = given if dtype == "string" else _stacked(given, dtype, shape)
        task_numbers = [self.task_numbers[self.task(episode, frame)] for frame in range(length)]
        return columns | {
            "timestamp": (frames / self.fps).astype(np.float32),
            "frame_index": frames,
            "episode_index": np.full(length, episode),
            "index": frames + start,
            "task_index": np.array(task_numbers),
        }

    def pictures(self, feature: str, episode: int) -> Iterator[NDArray[np.uint8]]:
        """The pictures of one camera in one episode."""
        number = (self.cameras + self.images).index(feature)
        for frame in range(self.lengths[episode]):
            yield scene.picture(scene.Barcode(self.seed % 256, episode, frame, number), self.size)

    def clip(self, feature: str, episode: int) -> bytes:
        """The mp4 file of one camera in one episode."""
        pictures = self.pictures(feature, episode)
        look = {"codec": self.codec, "size": self.size, "fps": self.fps, "gop": self.gop, "crf": self.crf}
        return camera.encode(pictures, **look)


def _unnamed(dtype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "names": None}


def _stacked(given: list[Any], dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    rows = np.array(given, dtype=dtype).reshape(len(given), *shape)
    return rows[:, 0] if shape == (1,) else rows
