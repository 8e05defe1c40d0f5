"""Items as LeRobot's reader gives them, from datasets where they lie."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any

import torch
from torch.utils.data import Dataset

from lecompose.concurrency import StandingThreads
from lecompose.errors import RequestError, near
from lecompose.formats import Feature
from lecompose.training.per_process import OfProcess
from lecompose.training.read_rows import Episode, Rows
from lecompose.training.selection import Asked
from lecompose.training.tensors import cell, in_unit, lengths, stacked
from lecompose.training.videos import Decoder, decoder

Item = dict[str, Any]
Transform = Callable[[Any], Any]
Deltas = Mapping[str, Sequence[float]]

UNITS = ("mm", "m")


@dataclass(frozen=True)
class Look:
    """How pictures are given: as LeRobotDataset's arguments of these names say."""

    image_transforms: Transform | None = None
    tolerance_s: float = 1e-4
    video_backend: str | None = None
    return_uint8: bool = False
    depth_output_unit: str = "mm"


class TorchDataset(Dataset):  # type: ignore[misc]  # PyTorch is not there when types are checked
    """A map-style dataset of frames, for torch.utils.data.DataLoader; items as LeRobotDataset gives them.

    Item k is the k-th frame of `episodes`, in the order in which they were asked for. It may be pickled and
    forked; each process opens files for itself.
    """

    def __init__(self, asked: Asked, deltas: Deltas | None, look: Look, cache_bytes: int) -> None:
        self._asked = asked
        self._look = look
        _refuse_odd(look)
        if any(feature.dtype == "image" for feature in asked.features):
            import PIL.Image  # noqa: F401  # that it is missing is said now
        self._steps = _steps(asked, deltas or {}, look.tolerance_s)
        decode = partial(decoder, look.video_backend, look.tolerance_s, asked.seen)
        decode()  # whether there is one is said now
        self._rows = OfProcess(partial(Rows, asked.schema, asked.shapes, cache_bytes, asked.seen))
        self._decoder: OfProcess[Decoder] = OfProcess(decode)
        self._threads = OfProcess(partial(StandingThreads, max(1, len(asked.cameras))))

    def __len__(self) -> int:
        return self._asked.frames

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.num_episodes} episodes, {len(self)} frames: {list(self.features)})"
        )

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """What info.json says of each key that is read."""
        return {f.name: dict(f.spec) for f in self._asked.features}

    @property
    def camera_keys(self) -> list[str]:
        """The keys with pictures, out of videos or data files."""
        return [f.name for f in self._asked.features if f.is_visual]

    @property
    def fps(self) -> float:
        """Frames a second, of the first source."""
        rate = float(self._asked.fps[0])
        return int(rate) if rate.is_integer() else rate

    @property
    def num_frames(self) -> int:
        """How many items there are."""
        return len(self)

    @property
    def num_episodes(self) -> int:
        """How many episodes were asked for."""
        return len(self._asked)

    @property
    def episodes(self) -> list[Any]:
        """The numbers of the episodes, in their order here; with their source where there are several."""
        return self._asked.numbers

    @property
    def episode_data_index(self) -> dict[str, torch.Tensor]:
        """The item that each episode begins with ("from"), and the one before which it ends ("to")."""
        first, end = self._asked.spans
        return {"from": torch.from_numpy(first), "to": torch.from_numpy(end)}

    def __getitem__(self, number: Any) -> Any:
        """The frame at a position; a list of them for a slice.

        Shape: numbers as declared, `(1,)` as a scalar; pictures (channels, height, width). With a delta for
        its key one more in front, of as many values, and a key NAME_is_pad that is true of those that lie
        outside of the episode; a single delta of a video has none, as in LeRobot. `task` is a string. Of
        several datasets each has numbers of its own, and `dataset_index` says which one it is.
        Errors: IndexError; SourceBroken, MediaError with the file and episode.
        """
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        episode, frame = self._asked.at(_position(index(number), len(self)))
        row = self._rows.mine().at(episode, frame)
        item = {key: cell(feature, row.cell(key)) for key, feature in self._asked.columns.items()}
        item |= self._windows(episode, frame)
        item |= self._videos(episode, frame)
        for feature in self._asked.features:
            if feature.is_visual:
                item[feature.name] = self._shown(feature, item[feature.name])
        if len(self._asked.names) > 1:
            item["dataset_index"] = torch.tensor(episode.source)
        return self._ordered(item) | {"task": self._asked.task(episode, row.cell("task_index"))}

    def _window(self, episode: Episode, frame: int, key: str) -> list[int]:
        """The frames that the deltas of a key name, those outside of the episode moved to its ends."""
        return [min(max(0, frame + step), episode.length - 1) for step in self._steps[episode.source][key]]

    def _windows(self, episode: Episode, frame: int) -> Item:
        """The values and the padding of each key that has deltas; of videos the padding only."""
        found, rows = Item(), self._rows.mine()
        for key, steps in self._steps[episode.source].items():
            outside = [not 0 <= frame + step < episode.length for step in steps]
            found[f"{key}_is_pad"] = torch.tensor(outside, dtype=torch.bool)
            if key in self._asked.columns:
                cells = rows.cells(episode, self._window(episode, frame, key), key)
                found[key] = stacked(self._asked.columns[key], cells)
        return found

    def _videos(self, episode: Episode, frame: int) -> Item:
        cameras = self._asked.cameras
        if len(cameras) < 2:
            return {key: self._video(episode, frame, key) for key in cameras}
        # Decoding needs no lock of the interpreter's.
        pictures = self._threads.mine().each(cameras, partial(self._video, episode, frame))
        return dict(zip(cameras, pictures, strict=True))

    def _video(self, episode: Episode, frame: int, key: str) -> Any:
        """The pictures of a camera. Shape: (times, channels, height, width), or without times for one."""
        feature = self._asked.cameras[key]
        has_deltas = key in self._steps[episode.source]
        frames = self._window(episode, frame, key) if has_deltas else [frame]
        path, start = self._asked.clip(episode, key)
        times = [start + float(time) for time in self._rows.mine().cells(episode, frames, "timestamp")]
        pictures = self._decoder.mine().pictures(path, times, depth=feature.is_depth)
        if feature.is_depth:
            pictures = lengths(feature, pictures, self._look.depth_output_unit)
        elif not self._look.return_uint8:
            pictures = pictures.to(torch.float32) / 255
        return pictures.squeeze(0)

    def _shown(self, feature: Feature, pictures: Any) -> Any:
        """The pictures of a key as they were asked for."""
        if feature.is_depth:
            return pictures if feature.is_video else in_unit(feature, pictures, self._look.depth_output_unit)
        transform = self._look.image_transforms
        return pictures if transform is None else transform(pictures)

    def _ordered(self, item: Item) -> Item:
        """Videos first, as LeRobot has them."""
        return {key: item[key] for key in (*self._asked.cameras, *item)}


def _position(number: int, count: int) -> int:
    if not -count <= number < count:
        raise IndexError(f"frame {number} is asked for, and there are {count}")
    return number % count


def _refuse_odd(look: Look) -> None:
    """Errors: RequestError for what is no way to look."""
    if look.depth_output_unit not in UNITS:
        raise RequestError(f"depths in {look.depth_output_unit!r}", hint=f"one of {', '.join(UNITS)}")
    if not look.tolerance_s > 0:
        raise RequestError(f"tolerance_s is {look.tolerance_s!r}; a number of seconds above 0 is needed")
    if look.image_transforms is not None and not callable(look.image_transforms):
        raise RequestError(f"image_transforms is {look.image_transforms!r}; a function of pictures is needed")


def _steps(asked: Asked, deltas: Deltas, tolerance_s: float) -> list[dict[str, list[int]]]:
    """For each source the deltas in frames.

    Errors: RequestError for keys that are not read, and for times between two frames.
    """
    keys = [feature.name for feature in asked.features]
    for key in deltas:
        if key not in keys:
            raise RequestError(f'delta_timestamps: no feature "{key}" is read{near(key, keys)}')
        if not len(deltas[key]) or not all(map(math.isfinite, deltas[key])):
            raise RequestError(
                f'delta_timestamps of "{key}": seconds are needed, such as [0.0], not {deltas[key]}'
            )
    for rate in asked.fps:
        between = [(key, s) for key, times in deltas.items() for s in times if _off(s, rate) > tolerance_s]
        if between:
            key, seconds = between[0]
            raise RequestError(
                f'delta_timestamps of "{key}": {seconds} s lies between two frames at {float(rate):g} fps',
                hint=f"whole multiples of 1/{float(rate):g}",
            )
    return [{key: [round(s * rate) for s in times] for key, times in deltas.items()} for rate in asked.fps]


def _off(seconds: float, rate: Any) -> float:
    """How far a time is from a frame. Units: seconds."""
    frames = seconds * float(rate)
    return abs(frames - round(frames)) / float(rate)
