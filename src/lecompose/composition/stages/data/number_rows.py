"""Number the rows of a data file: its indices, its tasks and subtasks."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from lecompose.composition.jobs import ABSENT, DataFileJob, EpisodeRows


@dataclass(frozen=True)
class RowNumbers:
    """The numbers of the rows that a job writes, and the episodes that they are of."""

    job: DataFileJob

    @cached_property
    def ends(self) -> np.ndarray:
        """The row behind each episode's last one. Shape: (episodes,)."""
        return np.cumsum([episode.length for episode in self.job.episodes])

    @cached_property
    def src_ends(self) -> np.ndarray:
        """The same among the rows that are read, of which some may be left out. Shape: (episodes,)."""
        return np.cumsum([episode.src_length for episode in self.job.episodes])

    @cached_property
    def begins(self) -> np.ndarray:
        """Each episode's first row. Shape: (episodes,)."""
        begins: np.ndarray = self.ends - [episode.length for episode in self.job.episodes]
        return begins

    @cached_property
    def _task_numbers(self) -> np.ndarray:
        return np.array(self.job.task_numbers, np.int64)

    @cached_property
    def _out_episodes(self) -> np.ndarray:
        return np.array([episode.out_episode for episode in self.job.episodes], np.int64)

    @cached_property
    def _begin_at(self) -> np.ndarray:
        return np.array([episode.at for episode in self.job.episodes], np.int64)

    @cached_property
    def _tasks_from(self) -> np.ndarray:
        return np.array([episode.tasks_from for episode in self.job.episodes], np.int64)

    @cached_property
    def _subtasks_from(self) -> np.ndarray:
        return np.array([episode.subtasks_from for episode in self.job.episodes], np.int64)

    def episode_at(self, row: int) -> EpisodeRows:
        """Return the episode of a row."""
        return self._episode(row, self.ends)

    def episode_read_at(self, src_row: int) -> EpisodeRows:
        """Return the episode of a row that is read."""
        return self._episode(src_row, self.src_ends)

    def _episode(self, row: int, ends: np.ndarray) -> EpisodeRows:
        which = int(np.searchsorted(ends, row, side="right"))
        return self.job.episodes[min(which, len(self.job.episodes) - 1)]

    def src_frames(self, start: int, stop: int) -> Iterator[tuple[int, range]]:
        """Yield the place of each episode of the rows [start, stop), and its frames in the source."""
        which = np.searchsorted(self.ends, [start, stop - 1], side="right")
        for n in range(int(which[0]), int(which[1]) + 1):
            episode, begins = self.job.episodes[n], int(self.begins[n])
            step = self.job.sources[episode.src_dataset].resampling.stride
            first, last = max(start, begins) - begins, min(stop, int(self.ends[n])) - begins
            begin = episode.from_frame
            yield n, range(begin + first * step, begin + (last - 1) * step + 1, step)

    def number(self, start: int, src_tasks: np.ndarray) -> dict[str, np.ndarray]:
        """Return the bookkeeping columns of the rows from `start` on, whose source tasks are these."""
        rows = np.arange(start, start + len(src_tasks), dtype=np.int64)
        which = self._which(rows)
        return {
            "index": rows + self.job.episodes[0].from_index,
            "episode_index": self._out_episodes[which],
            "frame_index": rows - self.begins[which] + self._begin_at[which],
            "task_index": self._task_numbers[self._tasks_from[which] + src_tasks],
        }

    def tasks_of(self, place: int, src_tasks: np.ndarray) -> np.ndarray:
        """Return the output's task of each row of the episode at a place."""
        numbers: np.ndarray = self._task_numbers[self.job.episodes[place].tasks_from + src_tasks]
        return numbers

    def number_subtasks(self, start: int, src: pa.Array) -> pa.Array:
        """Return the output's numbers of subtasks, from row `start` on; nulls and numbers below 0 stay."""
        first = self._subtasks_from[self._which(np.arange(start, start + len(src)))]
        return _look_up(src, first, np.array(self.job.subtask_numbers, np.int64))

    def number_task_column(self, name: str, start: int, src: pa.Array) -> pa.Array:
        """Return the output's task numbers in a column beside task_index, likewise; fills stay."""
        first = self._task_column_starts[name][self._which(np.arange(start, start + len(src)))]
        return _look_up(src, first, self._task_numbers)

    @cached_property
    def _task_column_starts(self) -> dict[str, np.ndarray]:
        """Where each episode has its task 0, by column; ABSENT where its source lacks that."""
        sources, names = self.job.sources, [episode.src_dataset for episode in self.job.episodes]
        has = {
            column: {name: sources[name].takes[column].feature is not None for name in sources}
            for column in self.job.task_columns
        }
        return {
            column: np.where([of[name] for name in names], self._tasks_from, ABSENT)
            for column, of in has.items()
        }

    def _which(self, rows: np.ndarray) -> np.ndarray:
        """Return the place among the episodes of each row's."""
        return np.minimum(np.searchsorted(self.ends, rows, side="right"), len(self.job.episodes) - 1)


def _look_up(src: pa.Array, first: np.ndarray, numbers: np.ndarray) -> pa.Array:
    """Return the output's number of each of the source's; `first` is where the source's 0 is in `numbers`.

    NaN stays, as nulls do.
    """
    found = src.fill_null(0).to_numpy(zero_copy_only=False)
    found = found.astype(np.float64 if pa.types.is_floating(src.type) else np.int64)
    absent = src.is_null().to_numpy(zero_copy_only=False)
    known = (first != ABSENT) & np.isfinite(found) & (found >= 0) & ~absent
    found[known] = numbers[first[known] + found[known].astype(np.int64)]
    return pa.array(found, mask=absent).cast(src.type)
