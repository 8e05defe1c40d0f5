"""LeRobot's reader, reading as `to_torch` does: no copy of the data under $HF_HOME, rows in their order.

Importing this module imports LeRobot; only `install` imports it.
"""

import logging
from collections.abc import Callable
from functools import cached_property
from typing import Any

from lerobot.datasets.dataset_reader import DatasetReader

import lecompose
from lecompose.errors import ComposeError
from lecompose.lerobot import compat
from lecompose.training.dataset import TorchDataset

_log = logging.getLogger(__name__)


class LeRobotReader(DatasetReader):  # type: ignore[misc]  # LeRobot is not there when types are checked
    """A DatasetReader that gives the same items without `datasets`.

    If we refuse to open a dataset because only some of its files were downloaded, LeRobot reads it.
    Source: the methods that LeRobot 0.6.1 calls.
    """

    _items: TorchDataset | None = None

    @property
    def hf_dataset(self) -> Any:
        """The data as LeRobot holds them, made once something but items is asked for."""
        return self._later if self._items is not None else self._theirs

    @hf_dataset.setter
    def hf_dataset(self, dataset: Any) -> None:
        """The data as LeRobot holds them, made once something other than items is needed."""
        if dataset is not None:
            self._items = None  # somebody wants other data to be read
        self._theirs = dataset

    @property
    def num_frames(self) -> int:
        """How many items there are."""
        return len(self._items) if self._items is not None else int(super().num_frames)

    def try_load(self) -> bool:
        """Open the items if all their files are here, and return whether they are."""
        self._items = self._open_items()
        return True if self._items is not None else bool(super().try_load())

    def load_and_activate(self) -> None:
        """Open what is here now."""
        self._items = self._open_items()
        if self._items is None:
            super().load_and_activate()

    def get_item(self, idx: Any) -> dict[str, Any]:
        """Return the frame at a position. Raises ValueError that names the file, or IndexError."""
        if self._items is None:
            item: dict[str, Any] = super().get_item(idx)
            return item
        with compat.raise_as_lerobot():
            found: dict[str, Any] = self._items[idx]
            return found

    def _open_items(self) -> TorchDataset | None:
        """Return the items if all wanted episodes are here with their videos, else None."""
        self.__dict__.pop("_later", None)
        try:
            with lecompose.open(self.root) as opened:
                items = opened.to_torch(
                    # LeRobot's rows are in the order of the files, whatever is asked for.
                    None if self.episodes is None else sorted(set(self.episodes)),
                    self._convert_deltas(),
                    image_transforms=self._transform,
                    tolerance_s=self._tolerance_s,
                    video_backend=self._video_backend,
                    return_uint8=self._return_uint8,
                    depth_output_unit=self._depth_output_unit,
                )
        except ComposeError as error:
            _log.warning("%s is read by LeRobot itself, which copies its data: %s", self.root, error)
            return None
        if not len(items):
            return None
        self._absolute_to_relative_idx = self._map_positions()
        return items

    def _convert_deltas(self) -> dict[str, list[float]] | None:
        """Return the deltas in seconds, of whole frames; LeRobot has refused all others."""
        if self.delta_indices is None:
            return None
        return {key: [n / self._meta.fps for n in steps] for key, steps in self.delta_indices.items()}

    def _transform(self, pictures: Any) -> Any:
        """Return pictures, changed by the transform that is set at the time."""
        transform: Callable[[Any], Any] | None = self._image_transforms
        return pictures if transform is None else transform(pictures)

    def _map_positions(self) -> dict[int, int] | None:
        """Return where each frame of the dataset is among the items, or None if all episodes are."""
        if self.episodes is None:
            return None
        spans = [self._meta.episodes[episode] for episode in sorted(set(self.episodes))]
        frames = (n for span in spans for n in range(span["dataset_from_index"], span["dataset_to_index"]))
        return {frame: position for position, frame in enumerate(frames)}

    @cached_property
    def _later(self) -> "_OnDemand":
        return _OnDemand(self._load_hf_dataset)


class _OnDemand:
    """Stands for something that is made at its first use."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Any:
        return self._make()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_made":  # pickle asks; it could not be made
            raise AttributeError(name)
        return getattr(self._made, name)

    def __getitem__(self, key: Any) -> Any:
        return self._made[key]

    def __len__(self) -> int:
        return len(self._made)
