"""The job that writes one data file: which rows of which source files it gets, and how they are numbered."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
import pyarrow as pa

from lecompose import formats
from lecompose.composition.resampling import SourceResampling
from lecompose.dataset.feature_map import SourceFeature
from lecompose.formats import Feature

# Where the numbers of a source begin that has none.
ABSENT = int(np.iinfo(np.int64).min)


@dataclass(frozen=True, slots=True)
class EpisodeRows:
    """An output episode, or a piece of it: the rows [row_from, row_to) of a source's data file.

    They begin `at` so many frames of the output's episode, at 0 unless it has pieces before this one. They
    are `src_length` frames of the source's episode, from `from_frame` on; all of them if it `is_whole`.
    `data_file_rows` is how many rows that file has in all. The output's number of the source's task 0 is at
    `tasks_from` of the job's `task_numbers`, likewise for subtasks; `only_task` is the output's number of the
    task that every frame has, None where frames have several.
    """

    out_episode: int
    from_index: int
    length: int
    src_dataset: str
    src_episode: int
    from_frame: int
    src_length: int
    is_whole: bool
    data_file: str
    row_from: int
    row_to: int
    data_file_rows: int
    size_bytes: int
    only_task: int | None
    tasks_from: int = ABSENT
    subtasks_from: int = ABSENT
    at: int = 0

    @property
    def title(self) -> str:
        """The episode as messages name it."""
        return f'source "{self.src_dataset}", episode {self.src_episode}'


@dataclass(frozen=True)
class SourceColumns:
    """How a source's rows become the output's: what it gives for each feature, and which frames are taken.

    Pictures that are no more than paths are files below `picture_root`; it is None where there are none.
    """

    takes: Mapping[str, SourceFeature]
    resampling: SourceResampling
    picture_root: str | None = None


@dataclass(frozen=True)
class ComputedColumn:
    """A feature that no source has: its values lie in an Arrow file, each episode's from a row on.

    Or they are one `dimension` of a vector, for episodes that have a row there; the others' is ABSENT.
    """

    name: str
    path: str
    rows: tuple[int, ...]
    dimension: int | None = None


@dataclass(frozen=True)
class DataFileJob:
    """One data file of an output, episode behind episode, of which some are in several pieces.

    Each episode is a row group where `row_groups` is "episode"; there are a few large ones where it is
    "packed". With `may_copy`, row groups are copied as they are encoded if each episode is one in its source
    file, stored as the output stores it; rows are decoded otherwise. With `link` the episodes are a whole
    file of the dataset that the output replaces, which may get a second name. `sources` are by name. Task
    numbers are the sources', those of subtasks too unless `subtask_numbers` is None. `task_columns` are
    numbered as task_index is.
    """

    out_dataset: str
    chunk_index: int
    file_index: int
    schema: pa.Schema
    features: tuple[Feature, ...]
    row_groups: str
    may_copy: bool
    episodes: tuple[EpisodeRows, ...]
    sources: Mapping[str, SourceColumns]
    task_numbers: tuple[int, ...]
    subtask_numbers: tuple[int, ...] | None = None
    task_columns: tuple[str, ...] = ()
    link: bool = False
    computed: tuple[ComputedColumn, ...] = ()

    @property
    def path(self) -> str:
        """The file, relative to the output's folder."""
        return formats.DATA_PATH.format(chunk_index=self.chunk_index, file_index=self.file_index)

    @cached_property
    def pieces(self) -> tuple[tuple[EpisodeRows, ...], ...]:
        """The pieces of each output episode; most have one."""
        of_episodes = groupby(self.episodes, key=lambda piece: piece.out_episode)
        return tuple(tuple(group) for _, group in of_episodes)

    @cached_property
    def lengths(self) -> list[int]:
        """The frames of each output episode."""
        return [sum(piece.length for piece in of_episode) for of_episode in self.pieces]

    @cached_property
    def rows(self) -> int:
        return sum(episode.length for episode in self.episodes)

    @cached_property
    def size_bytes(self) -> int:
        """What the episodes take in their sources."""
        return sum(episode.size_bytes for episode in self.episodes)


@dataclass(frozen=True)
class DataFileResult:
    """A data file that is written.

    Units: `bytes_copied` are those of row groups copied as encoded, `bytes_linked` of a file that was linked.
    """

    rows: int
    size_bytes: int
    bytes_copied: int = 0
    bytes_linked: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """What reports add up."""
        encoded = self.size_bytes - self.bytes_copied - self.bytes_linked
        return {
            "bytes_linked": self.bytes_linked,
            "bytes_spliced": self.bytes_copied,
            "bytes_encoded": encoded,
        }
