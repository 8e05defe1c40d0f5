"""Items as LeRobot's reader gives them, read from datasets where they lie."""

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
from lecompose.training.mixture import MixtureSampler, make_sampler
from lecompose.training.per_process import PerProcess
from lecompose.training.read_rows import RowReader, SelectedEpisode
from lecompose.training.selection import Selection
from lecompose.training.tensors import convert_cell, convert_unit, decode_depths, stack_cells
from lecompose.training.videos import Decoder, choose_decoder

Item = dict[str, Any]
Transform = Callable[[Any], Any]
Deltas = Mapping[str, Sequence[float]]

UNITS = ("mm", "m")


@dataclass(frozen=True)
class PictureOptions:
    """How pictures are decoded and returned; the names are those of LeRobotDataset's arguments."""

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

    def __init__(
        self,
        selection: Selection,
        deltas: Deltas | None,
        options: PictureOptions,
        cache_bytes: int,
        *,
        weights: Mapping[str, float] | None = None,
        seed: int | str = 0,
        holds: object = None,
    ) -> None:
        self._holds = holds  # the folder where the files lie, if it is a temporary one
        self._selection = selection
        self._options = options
        self._sampler = None
        if weights is not None:
            self._sampler = make_sampler(weights, selection.names, selection.sources, selection.spans, seed)
        _refuse_bad_options(options)
        if any(feature.dtype == "image" for feature in selection.features):
            import PIL.Image  # noqa: F401  # raises now if it is missing
        self._steps = _deltas_in_frames(selection, deltas or {}, options.tolerance_s)
        decode = partial(choose_decoder, options.video_backend, options.tolerance_s, selection.stamps)
        decode()  # raises now if there is none
        self._rows = PerProcess(
            partial(RowReader, selection.schema, selection.shapes, cache_bytes, selection.stamps)
        )
        self._decoder: PerProcess[Decoder] = PerProcess(decode)
        self._threads = PerProcess(partial(StandingThreads, max(1, len(selection.cameras))))

    def __len__(self) -> int:
        return self._selection.frames

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.num_episodes} episodes, {len(self)} frames: {list(self.features)})"
        )

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """What info.json declares for each key that is read."""
        return {f.name: dict(f.spec) for f in self._selection.features}

    @property
    def camera_keys(self) -> list[str]:
        """The keys with pictures, from videos or from data files."""
        return [f.name for f in self._selection.features if f.is_visual]

    @property
    def fps(self) -> float:
        """Frames per second of the first source."""
        rate = float(self._selection.fps[0])
        return int(rate) if rate.is_integer() else rate

    @property
    def num_frames(self) -> int:
        """How many items there are."""
        return len(self)

    @property
    def num_episodes(self) -> int:
        """How many episodes were asked for."""
        return len(self._selection)

    @property
    def episodes(self) -> list[Any]:
        """The episode numbers in their order here; with their sources, if there are several."""
        return self._selection.numbers

    @property
    def episode_data_index(self) -> dict[str, torch.Tensor]:
        """The first item of each episode ("from"), and the one behind its last ("to")."""
        first, end = self._selection.spans
        return {"from": torch.from_numpy(first), "to": torch.from_numpy(end)}

    @property
    def sampler(self) -> MixtureSampler | None:
        """What draws items by the weights of their datasets, for a DataLoader; None without weights."""
        return self._sampler

    def __getitem__(self, number: Any) -> Any:
        """Return the frame at a position, or a list of frames for a slice.

        Shape: numbers as declared, `(1,)` as a scalar; pictures (channels, height, width). A key with deltas
        has one axis more in front, with a value a delta, and a key NAME_is_pad, which is true where the value
        lies outside the episode; a video with a single delta has no such axis, as in LeRobot. `task` is a
        string. Several datasets have numbers of their own, and `dataset_index` says which one it is.

        Raises:
            IndexError: if there is no such frame.
            SourceBroken: if its row cannot be read; with file and episode.
            MediaError: if its pictures cannot be read; with the file.
        """
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        episode, frame = self._selection.at(_position(index(number), len(self)))
        row = self._rows.get().at(episode, frame)
        item = {key: convert_cell(feature, row.cell(key)) for key, feature in self._selection.columns.items()}
        item |= self._windows(episode, frame)
        item |= self._videos(episode, frame)
        for feature in self._selection.features:
            if feature.is_visual:
                item[feature.name] = self._present(feature, item[feature.name])
        if len(self._selection.names) > 1:
            item["dataset_index"] = torch.tensor(episode.source)
        return self._put_videos_first(item) | {"task": self._selection.task(episode, row.cell("task_index"))}

    def _window(self, episode: SelectedEpisode, frame: int, key: str) -> list[int]:
        """Return the frames that the deltas of a key name; outside the episode, those at its ends."""
        return [min(max(0, frame + step), episode.length - 1) for step in self._steps[episode.source][key]]

    def _windows(self, episode: SelectedEpisode, frame: int) -> Item:
        """Return the values and the padding of each key with deltas; of videos only the padding."""
        found, rows = Item(), self._rows.get()
        for key, steps in self._steps[episode.source].items():
            outside = [not 0 <= frame + step < episode.length for step in steps]
            found[f"{key}_is_pad"] = torch.tensor(outside, dtype=torch.bool)
            if key in self._selection.columns:
                cells = rows.cells(episode, self._window(episode, frame, key), key)
                found[key] = stack_cells(self._selection.columns[key], cells)
        return found

    def _videos(self, episode: SelectedEpisode, frame: int) -> Item:
        cameras = self._selection.cameras
        if len(cameras) < 2:
            return {key: self._video(episode, frame, key) for key in cameras}
        # Decoding does not hold the interpreter's lock.
        pictures = self._threads.get().each(cameras, partial(self._video, episode, frame))
        return dict(zip(cameras, pictures, strict=True))

    def _video(self, episode: SelectedEpisode, frame: int, key: str) -> Any:
        """Return the pictures of a camera. Shape: (times, channels, height, width); times with deltas."""
        feature = self._selection.cameras[key]
        has_deltas = key in self._steps[episode.source]
        frames = self._window(episode, frame, key) if has_deltas else [frame]
        path, start = self._selection.clip(episode, key)
        times = [start + float(time) for time in self._rows.get().cells(episode, frames, "timestamp")]
        pictures = self._decoder.get().pictures(path, times, depth=feature.is_depth)
        if feature.is_depth:
            pictures = decode_depths(feature, pictures, self._options.depth_output_unit)
        elif not self._options.return_uint8:
            pictures = pictures.to(torch.float32) / 255
        return pictures.squeeze(0)

    def _present(self, feature: Feature, pictures: Any) -> Any:
        """Return the pictures of a key in the unit, or transformed, as the options say."""
        if feature.is_depth:
            return (
                pictures
                if feature.is_video
                else convert_unit(feature, pictures, self._options.depth_output_unit)
            )
        transform = self._options.image_transforms
        return pictures if transform is None else transform(pictures)

    def _put_videos_first(self, item: Item) -> Item:
        """Return the item with its videos first, as LeRobot has them."""
        return {key: item[key] for key in (*self._selection.cameras, *item)}


def _position(number: int, count: int) -> int:
    if not -count <= number < count:
        raise IndexError(f"frame {number} of {count} frames")
    return number % count


def _refuse_bad_options(options: PictureOptions) -> None:
    """Raise RequestError for options that have no meaning."""
    if options.depth_output_unit not in UNITS:
        raise RequestError(f"depths in {options.depth_output_unit!r}", hint=f"one of {', '.join(UNITS)}")
    if not options.tolerance_s > 0:
        raise RequestError(f"tolerance_s is {options.tolerance_s!r}; a number of seconds above 0 is needed")
    if options.image_transforms is not None and not callable(options.image_transforms):
        raise RequestError(
            f"image_transforms is {options.image_transforms!r}; a function of pictures is needed"
        )


def _deltas_in_frames(selection: Selection, deltas: Deltas, tolerance_s: float) -> list[dict[str, list[int]]]:
    """Return the deltas of each source in frames.

    Raises:
        RequestError: if a key is not read, or a time lies between two frames.
    """
    keys = [feature.name for feature in selection.features]
    for key in deltas:
        if key not in keys:
            raise RequestError(f'delta_timestamps: no feature "{key}" is read{near(key, keys)}')
        if not len(deltas[key]) or not all(map(math.isfinite, deltas[key])):
            raise RequestError(
                f'delta_timestamps of "{key}": seconds are needed, such as [0.0], not {deltas[key]}'
            )
    for rate in selection.fps:
        between = [
            (key, s) for key, times in deltas.items() for s in times if _distance_s(s, rate) > tolerance_s
        ]
        if between:
            key, seconds = between[0]
            raise RequestError(
                f'delta_timestamps of "{key}": {seconds} s lies between two frames at {float(rate):g} fps',
                hint=f"whole multiples of 1/{float(rate):g}",
            )
    return [
        {key: [round(s * rate) for s in times] for key, times in deltas.items()} for rate in selection.fps
    ]


def _distance_s(seconds: float, rate: Any) -> float:
    """Return how far a time is from the nearest frame. Units: seconds."""
    frames = seconds * float(rate)
    return abs(frames - round(frames)) / float(rate)
