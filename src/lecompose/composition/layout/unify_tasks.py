"""Unify the tasks of all sources: one number a text in each output, and each source's numbers in those."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from lecompose import formats
from lecompose.composition.jobs import ABSENT
from lecompose.composition.output_spec import OutputSpec
from lecompose.dataset.catalog import Catalog
from lecompose.engine import Engine
from lecompose.errors import FeatureMismatch, SourceBroken, few


@dataclass(frozen=True, slots=True)
class TaskNumber:
    """A source's task number, and the output's.

    An episode whose tasks have other texts has numbers of its own; `src_episode` is None in the source's.
    `task_index` is None for a number without a text.
    """

    out_dataset: str
    src_dataset: str
    src_episode: int | None
    src_task: int
    task_index: int | None


@dataclass(frozen=True)
class Numbers:
    """The output's numbers of the tasks of a source, or of one of its episodes, from its task `lowest` on.

    A number is -1 where there is no such task.
    """

    lowest: int
    numbers: list[int]

    def number(self, src_task: int) -> int | None:
        """Return the output's number of a task."""
        at = src_task - self.lowest
        return self.numbers[at] if 0 <= at < len(self.numbers) and self.numbers[at] >= 0 else None


_Owner = tuple[str, int | None]


@dataclass(frozen=True)
class TaskMap:
    """The numbers of each source in one output; those of an episode that has its own stand before them."""

    of: dict[_Owner, Numbers]

    def number(self, source: str, episode: int, src_task: int) -> int | None:
        """Return the output's number of an episode's task."""
        for owner in ((source, episode), (source, None)):
            if owner in self.of and (number := self.of[owner].number(src_task)) is not None:
                return number
        return None

    def select(self, episodes: Sequence[tuple[str, int]]) -> tuple[tuple[int, ...], list[int]]:
        """Return the numbers that episodes use, source behind source, and where each has its task 0 in them.

        Of subtasks a source may have none; its episodes are ABSENT.
        """
        numbers: list[int] = []
        starts: dict[_Owner, int] = {}
        found = []
        for source, episode in episodes:
            owner = (source, episode) if (source, episode) in self.of else (source, None)
            if owner not in starts:
                own = self.of.get(owner)
                starts[owner] = ABSENT if own is None else len(numbers) - own.lowest
                numbers += [] if own is None else own.numbers
            found.append(starts[owner])
        return tuple(numbers), found


_NO_TASKS = TaskMap({})


@dataclass(frozen=True, slots=True)
class _EpisodeTasks:
    """The tasks of an output episode, in the output's order."""

    out_dataset: str
    out_episode: int
    tasks: list[str]


@dataclass(frozen=True)
class UnifiedTasks:
    """The tasks of every output, and its subtasks if texts stand behind their numbers.

    `task_maps` and `subtask_maps` are by output. `renumbered` are the features beside task_index that hold
    task numbers, of which at least one becomes another; `notes` are on those that only names tell of.
    """

    engine: Engine
    task_maps: dict[str, TaskMap]
    subtask_maps: dict[str, TaskMap] | None
    renumbered: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def of(self, output: str) -> TaskMap:
        """Return the numbers that tasks have in an output."""
        return self.task_maps.get(output, _NO_TASKS)

    def subtasks_of(self, output: str) -> TaskMap:
        """Return the numbers that subtasks have in an output, none unless they are numbered as tasks are."""
        return (self.subtask_maps or {}).get(output, _NO_TASKS)

    @property
    def has_subtasks(self) -> bool:
        """Whether subtask_index is numbered as tasks are."""
        return self.subtask_maps is not None

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """The tasks of each output: readers go by position."""
        return _texts(self.engine, "out_tasks", "task")

    @cached_property
    def subtask_texts(self) -> dict[str, list[str]]:
        """The subtasks of each output, likewise."""
        return _texts(self.engine, "out_subtasks", "subtask")

    @cached_property
    def of_episodes(self) -> dict[tuple[str, int], list[str]]:
        """The tasks of each output episode that has any, in the output's order; by output and episode."""
        found = self.engine.records("layout/episode_tasks", _EpisodeTasks)
        return {(episode.out_dataset, episode.out_episode): episode.tasks for episode in found}


def _texts(engine: Engine, relation: str, name: str) -> dict[str, list[str]]:
    """Return the texts of each output in the order of their numbers."""
    order = ("out_dataset", f"{name}_index")
    numbered = engine.read(relation, ("out_dataset", name), order=order)
    found: dict[str, list[str]] = {}
    for output, text in zip(*(column.to_pylist() for column in numbered.columns), strict=True):
        found.setdefault(output, []).append(text)
    return found


def unify_tasks(catalog: Catalog, output_spec: OutputSpec) -> UnifiedTasks:
    """Number the tasks of every output in the order in which its episodes have them, and subtasks likewise.

    Raises:
        FeatureMismatch: if some sources have texts for their subtasks and others only numbers, or a number is
            too large for the feature that is to hold it.
        SourceBroken: if a subtask has no text.
    """
    engine = catalog.engine
    engine.table("task_uses", "layout/task_uses")
    engine.table("out_tasks", "layout/tasks")
    tasks = _task_maps(engine.records("layout/task_map", TaskNumber))
    renumbered = _find_renumbered(engine, output_spec, tasks)
    notes = tuple(_note_guessed(output_spec, renumbered))
    names = tuple(name for name in output_spec.task_columns if name in renumbered)
    return UnifiedTasks(engine, tasks, _unify_subtasks(catalog, output_spec), names, notes)


@dataclass(frozen=True, slots=True)
class _ColumnUse:
    """A task number that a source's episode has in a feature beside task_index."""

    out_dataset: str
    src_dataset: str
    src_episode: int
    feature: str
    src_task: int


def _find_renumbered(
    engine: Engine, output_spec: OutputSpec, tasks: Mapping[str, TaskMap]
) -> dict[str, list[str]]:
    """Return the features with task numbers of which at least one becomes another, and in which sources.

    Raises:
        FeatureMismatch: if a feature cannot hold its new numbers.
    """
    if not output_spec.task_columns:
        return {}
    most: dict[str, int] = {}
    sources: dict[str, dict[str, None]] = {}
    for use in engine.records("layout/task_column_uses", _ColumnUse):
        number = tasks[use.out_dataset].number(use.src_dataset, use.src_episode, use.src_task)
        if number != use.src_task and number is not None:
            most[use.feature] = max(most.get(use.feature, 0), number)
            sources.setdefault(use.feature, {})[use.src_dataset] = None
    small = [f for f in output_spec.columns if f.name in most and not _holds(f.dtype, most[f.name])]
    if small:
        lines = [f'feature "{f.name}": {f.dtype} cannot hold {most[f.name]}' for f in small]
        raise FeatureMismatch(
            "features with task numbers are too small for those of the output",
            hint=f"--cast {small[0].name}=int64",
            parts=lines,
        )
    return {name: list(names) for name, names in sources.items()}


def _note_guessed(output_spec: OutputSpec, renumbered: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a note on each feature that only its name tells of, and whose numbers become others."""
    for name in output_spec.guessed_task_columns:
        if name in renumbered:
            which = "source" if len(renumbered[name]) == 1 else "sources"
            yield (
                f'{which} {few(renumbered[name])}: feature "{name}" is read as task numbers, by its name, and'
                f" numbered anew; --task-column {name}=no keeps its values"
            )


def _holds(dtype: str, number: int) -> bool:
    kind = np.dtype(dtype)
    return number <= (np.iinfo(kind).max if kind.kind in "iu" else 2 ** (np.finfo(kind).nmant + 1))


def _unify_subtasks(catalog: Catalog, output_spec: OutputSpec) -> dict[str, TaskMap] | None:
    """Return the subtask numbers of each output; None where no texts stand behind them."""
    name = formats.SUBTASK_INDEX
    if name not in [f.name for f in output_spec.columns]:
        return None
    giving = [s for s in catalog.sources if any(f.name == name for f in s.columns)]
    lacking = [s.name for s in giving if not s.has_subtasks]
    if len(lacking) == len(giving):
        return None
    if lacking:
        lines = [f'source "{source}" has no {formats.SUBTASKS_PATH}' for source in lacking]
        raise FeatureMismatch("other sources have texts for its numbers", feature=name, parts=lines)
    catalog.engine.table("out_subtasks", "layout/subtasks")
    numbers = catalog.engine.records("layout/subtask_map", TaskNumber)
    unknown = [number for number in numbers if number.task_index is None]
    if unknown:
        lines = [f'source "{number.src_dataset}": subtask_index {number.src_task}' for number in unknown]
        raise SourceBroken(f"subtasks without one text in {formats.SUBTASKS_PATH}", parts=lines)
    return _task_maps(numbers)


def _task_maps(numbers: list[TaskNumber]) -> dict[str, TaskMap]:
    """Return the task map of each output; `numbers` are sorted by output, source and episode."""
    maps: dict[str, dict[_Owner, Numbers]] = {}
    owners = groupby(numbers, key=lambda n: (n.out_dataset, n.src_dataset, n.src_episode))
    for (output, source, episode), group in owners:
        maps.setdefault(output, {})[source, episode] = _numbers(list(group))
    return {output: TaskMap(of) for output, of in maps.items()}


def _numbers(tasks: list[TaskNumber]) -> Numbers:
    lowest = min(task.src_task for task in tasks)
    numbers = [-1] * (max(task.src_task for task in tasks) - lowest + 1)
    for task in tasks:
        numbers[task.src_task - lowest] = -1 if task.task_index is None else task.task_index
    return Numbers(lowest, numbers)
