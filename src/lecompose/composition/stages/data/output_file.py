"""One output data file: the episodes in it, and the numbers of its rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lecompose.composition.layout import jobs

# DuckDB hands over this many bytes of rows at a time, so that image datasets stay within memory.
_BATCH_BYTES = 64 * 2**20
_MAX_BATCH_ROWS = 122_880

# A reader holds a whole page. Source: pyarrow's defaults.
_PAGE_BYTES = 2**20
_MAX_PAGE_ROWS = 1024


@dataclass(frozen=True)
class TaskMap:
    """A source's task number → the output's, for all sources of one output in one array.

    Shape: `numbers` are those of each source, its number 0 at its `first`; -1 where there is none. Of
    subtasks a source may have no part in it. An episode that has other tasks than its source has a first
    of its own; that of the source is under None.
    """

    numbers: np.ndarray
    first: dict[tuple[str, int | None], int]

    def starts(self, episodes: list[dict[str, Any]]) -> np.ndarray:
        """Where each episode has its number 0; `_ABSENT` where it has no part. Shape: (episodes,)."""
        return np.array([self._start(e["src_dataset"], e["src_episode"]) for e in episodes], dtype=np.int64)

    def _start(self, source: str, episode: int) -> int:
        return self.first.get((source, episode), self.first.get((source, None), _ABSENT))


_ABSENT = np.iinfo(np.int64).min
NO_TASKS = TaskMap(np.empty(0, dtype=np.int64), {})


@dataclass(frozen=True)
class OutputFile:
    """One output data file: what to read, and the episodes that lie in it, one behind the other."""

    path: Path
    reads: list[dict[str, Any]]
    episodes: list[dict[str, Any]]
    tasks: TaskMap
    subtasks: TaskMap = NO_TASKS

    @cached_property
    def ends(self) -> np.ndarray:
        """The row behind each episode's last one. Shape: (episodes,)."""
        return np.cumsum([e["length"] for e in self.episodes])

    @cached_property
    def read_ends(self) -> np.ndarray:
        """The same among the rows that are read, of which some may be left out. Shape: (episodes,)."""
        return np.cumsum([e["src_length"] for e in self.episodes])

    @cached_property
    def begins(self) -> np.ndarray:
        """Each episode's first row. Shape: (episodes,)."""
        begins: np.ndarray = self.ends - [e["length"] for e in self.episodes]
        return begins

    @property
    def rows(self) -> int:
        return int(self.ends[-1])

    @cached_property
    def size_bytes(self) -> int:
        return sum(int(e["size_bytes"]) for e in self.episodes)

    @property
    def batch_rows(self) -> int:
        """How many rows are held at a time."""
        return max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES * self.rows // max(1, self.size_bytes)))

    @property
    def page_rows(self) -> int:
        """After how many rows the writer looks whether a page is full: 1,024 pictures would all be in one."""
        return max(1, min(_MAX_PAGE_ROWS, _PAGE_BYTES * self.rows // max(1, self.size_bytes)))

    @cached_property
    def first_tasks(self) -> np.ndarray:
        """Where in `tasks` the number 0 of each episode's source is. Shape: (episodes,)."""
        return self.tasks.starts(self.episodes)

    @cached_property
    def first_subtasks(self) -> np.ndarray:
        """The same in `subtasks`. Shape: (episodes,)."""
        return self.subtasks.starts(self.episodes)

    def episode_at(self, row: int, ends: np.ndarray) -> dict[str, Any]:
        """The episode of a row, where the episodes end at these rows."""
        which = int(np.searchsorted(ends, row, side="right"))
        return self.episodes[min(which, len(self.episodes) - 1)]

    def where_read(self, start: int, row: int) -> str:
        """The episode, in its source, of a row that is read after `start`."""
        return named(self.episode_at(start + row, self.read_ends))

    def pieces(self, start: int, stop: int) -> Iterator[tuple[dict[str, Any], range]]:
        """The episodes of the rows [start, stop), and the frames of their sources that these are."""
        which = np.searchsorted(self.ends, [start, stop - 1], side="right")
        for n in range(int(which[0]), int(which[1]) + 1):
            episode, begins = self.episodes[n], int(self.begins[n])
            step = episode["stride"]
            first, last = max(start, begins) - begins, min(stop, int(self.ends[n])) - begins
            yield episode, range(first * step, (last - 1) * step + 1, step)

    def numbering(self, start: int, src_tasks: np.ndarray) -> dict[str, np.ndarray]:
        """The bookkeeping columns of the rows from `start` on, whose tasks in their sources are these."""
        rows = np.arange(start, start + len(src_tasks), dtype=np.int64)
        which = self._which(rows)
        first = self.episodes[0]
        return {
            "index": rows + first["from_index"],
            "episode_index": which + first["out_episode"],
            "frame_index": rows - self.begins[which],
            "task_index": self.tasks.numbers[self.first_tasks[which] + src_tasks],
        }

    def subtask_numbers(self, start: int, src: pa.Array) -> pa.Array:
        """The output's numbers of these subtasks, from row `start` on; nulls and numbers below 0 stay."""
        numbers = src.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        absent = src.is_null().to_numpy(zero_copy_only=False)
        first = self.first_subtasks[self._which(np.arange(start, start + len(src)))]
        known = (first != _ABSENT) & (numbers >= 0) & ~absent
        numbers[known] = self.subtasks.numbers[(first + numbers)[known]]
        return pa.array(numbers, mask=absent).cast(src.type)

    def _which(self, rows: np.ndarray) -> np.ndarray:
        """The place in `episodes` of each row's."""
        return np.minimum(np.searchsorted(self.ends, rows, side="right"), len(self.episodes) - 1)


def named(episode: dict[str, Any]) -> str:
    return f'source "{episode["src_dataset"]}", episode {episode["src_episode"]}'


def task_maps(numbers: list[dict[str, Any]]) -> dict[str, TaskMap]:
    """The task numbers of each output."""
    maps = {}
    for (output,), rows in jobs(numbers, "out_dataset"):
        tables: list[np.ndarray] = []
        first = {}
        size = 0
        for (source, episode), tasks in jobs(rows, "src_dataset", "src_episode"):
            lowest = min(task["src_task"] for task in tasks)
            first[source, episode] = size - lowest
            tables.append(_task_numbers(tasks, lowest))
            size += len(tables[-1])
        maps[output] = TaskMap(np.concatenate(tables), first)
    return maps


def _task_numbers(tasks: list[dict[str, Any]], lowest: int) -> np.ndarray:
    numbers = np.full(max(task["src_task"] for task in tasks) - lowest + 1, -1, dtype=np.int64)
    for task in tasks:
        numbers[task["src_task"] - lowest] = task["task_index"]
    return numbers
