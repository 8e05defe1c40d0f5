"""The selected episodes: which frame an item is, and where its row and its pictures lie.

A few numbers an episode, in arrays: they are shared with workers that are forked, objects would not stay so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lecompose.dataset.catalog import Catalog
from lecompose.dataset.doubtful_clips import refuse_doubtful_clips
from lecompose.dataset.frames import Episodes, Frames
from lecompose.dataset.frames.read_in_order import PlacedEpisode, require_contiguous
from lecompose.dataset.moved_pointers import refuse_moved_pointers
from lecompose.errors import SourceBroken
from lecompose.formats import DEFAULT_FEATURES, Feature
from lecompose.training.file_stamps import FileStamps, stamp_files
from lecompose.training.read_rows import SelectedEpisode

Ints = np.ndarray


@dataclass(frozen=True)
class _Files:
    """The file of each episode."""

    paths: Sequence[str]
    number: Ints

    def of(self, episode: int) -> str:
        return self.paths[int(self.number[episode])]


@dataclass(frozen=True)
class _Clips:
    """Where the pictures of one camera are. Units: `start` is the time of an episode's first in its file."""

    files: _Files
    start: np.ndarray


@dataclass(frozen=True)
class Selection:
    """Episodes in the order of the request, each with its source, and the features that are read."""

    features: tuple[Feature, ...]
    schema: pa.Schema
    names: tuple[str, ...]
    fps: tuple[Fraction, ...]
    tasks: tuple[Sequence[str | None], ...]
    sources: Ints
    episodes: Ints
    lengths: Ints
    files: _Files
    row_from: Ints
    clips: Mapping[str, _Clips]
    stamps: FileStamps

    def __len__(self) -> int:
        return len(self.episodes)

    @cached_property
    def _ends(self) -> Ints:
        ends: Ints = np.cumsum(self.lengths)
        return ends

    @property
    def frames(self) -> int:
        """How many frames the episodes have together."""
        return int(self._ends[-1]) if len(self) else 0

    @cached_property
    def columns(self) -> dict[str, Feature]:
        """The features in data files, by name."""
        return {f.name: f for f in self.features if not f.is_video}

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each column."""
        return [feature.shape for feature in self.columns.values()]

    @cached_property
    def cameras(self) -> dict[str, Feature]:
        """The features in videos, by name."""
        return {f.name: f for f in self.features if f.is_video}

    @property
    def numbers(self) -> list[Any]:
        """The episode numbers; with the names of their sources, if there are several."""
        numbers: list[int] = self.episodes.tolist()
        if len(self.names) == 1:
            return numbers
        return [(self.names[s], e) for s, e in zip(self.sources, numbers, strict=True)]

    def at(self, item: int) -> tuple[SelectedEpisode, int]:
        """Return the episode of an item, and its frame there."""
        n = int(np.searchsorted(self._ends, item, side="right"))
        length = int(self.lengths[n])
        episode = SelectedEpisode(
            position=n,
            source=int(self.sources[n]),
            number=int(self.episodes[n]),
            length=length,
            file=self.files.of(n),
            row_from=int(self.row_from[n]),
        )
        return episode, item - (int(self._ends[n]) - length)

    def clip(self, episode: SelectedEpisode, camera: str) -> tuple[Path, float]:
        """Return the video of an episode, and the time of its first frame there. Units: seconds."""
        clips = self.clips[camera]
        return Path(clips.files.of(episode.position)), float(clips.start[episode.position])

    @property
    def spans(self) -> tuple[Ints, Ints]:
        """The first item of each episode, and the one behind its last."""
        return self._ends - self.lengths, self._ends

    def task(self, episode: SelectedEpisode, number: Any) -> str:
        """Return the task with a number. Raises SourceBroken if it has no text."""
        texts = self.tasks[episode.source]
        text = texts[int(number)] if number is not None and 0 <= number < len(texts) else None
        if text is None:
            raise SourceBroken(
                f"no task has the number {number}",
                hint="lecompose check",
                episode=episode.number,
                path=episode.file,
            )
        return text


def select_episodes(
    catalog: Catalog, frames: Frames, episodes: Episodes | None, names: Sequence[str] | None
) -> Selection:
    """Return the frames of `episodes`, with the features of these names and those of every dataset.

    Raises:
        UnknownEpisode: if an episode does not exist.
        RequestError: if a feature does not exist.
        FeatureMismatch: if the sources do not share the features.
        SourceBroken: if an episode is not in one piece, or pointers leave open whose the pictures are.
    """
    features = frames.features(names if names is None else [*names, *DEFAULT_FEATURES])
    places = [require_contiguous(place) for place in frames.places(episodes)]
    files = _number_files([str(place.data_file) for place in places])
    cameras = [f.name for f in features if f.is_video]
    if cameras:
        _refuse_doubtful_clips(catalog, cameras, places)
    clips = {camera: _find_clips(catalog, camera, places) for camera in cameras}
    position = {source.name: source.position for source in catalog.sources}
    return Selection(
        features=features,
        schema=frames.schema(features),
        names=tuple(position),
        fps=tuple(source.fps for source in catalog.sources),
        tasks=tuple(texts.to_pylist() for texts in frames.tasks.values()),
        sources=np.array([position[place.src_dataset] for place in places], np.int32),
        episodes=np.array([place.src_episode for place in places], np.int64),
        lengths=np.array([place.length for place in places], np.int64),
        files=files,
        row_from=np.array([place.row_from for place in places], np.int64),
        clips=clips,
        stamps=stamp_files(
            path for held in (files, *(c.files for c in clips.values())) for path in held.paths
        ),
    )


def _refuse_doubtful_clips(catalog: Catalog, names: Sequence[str], places: Sequence[PlacedEpisode]) -> None:
    episodes = {(place.src_dataset, place.src_episode) for place in places}
    sources = {source for source, _ in episodes}
    cameras = {(source, name) for source in sources for name in names}
    refuse_doubtful_clips(catalog, episodes=episodes, cameras=cameras)
    refuse_moved_pointers(catalog, sources=sources, cameras=cameras, frames={})


def _number_files(paths: Sequence[str]) -> _Files:
    told = pa.array(paths, pa.string()).dictionary_encode()
    return _Files(told.dictionary.to_pylist(), told.indices.to_numpy())


@dataclass(frozen=True)
class _Clip:
    """The video of an episode, and when its first frame is shown there. Units: seconds."""

    src_dataset: str
    src_episode: int
    video_file: str
    from_s: float


def _find_clips(catalog: Catalog, camera: str, places: Sequence[PlacedEpisode]) -> _Clips:
    clips = catalog.engine.records("query_views/clips_of", _Clip, camera=camera)
    held = {(clip.src_dataset, clip.src_episode): (clip.video_file, clip.from_s) for clip in clips}
    found = [held[place.src_dataset, place.src_episode] for place in places]
    return _Clips(
        _number_files([file for file, _ in found]), np.array([start for _, start in found], np.float64)
    )
