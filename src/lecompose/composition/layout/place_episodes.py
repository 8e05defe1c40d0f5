"""Place the episodes: each one's range of the global index, its data file, and the job that writes it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, pairwise

import pyarrow as pa

from lecompose.composition.computed_features import ComputedFeature
from lecompose.composition.jobs import ABSENT, ComputedColumn, DataFileJob, EpisodeRows, SourceColumns
from lecompose.composition.layout.number_files import MIB, NO_LIMIT, Item, keep_whole, number_files
from lecompose.composition.layout.unify_tasks import TaskMap, UnifiedTasks
from lecompose.composition.output_spec import OutputSpec
from lecompose.dataset.loose_pictures import LoosePictures
from lecompose.engine import Engine
from lecompose.formats import SUBTASK_INDEX


@dataclass(frozen=True, slots=True)
class PlannedEpisode:
    """An episode of the plan, its frames in the output, and where its rows are now.

    They are the numbers [from_index, from_index + length) of the global index, the frames from `at` on of the
    output's episode, and `src_length` frames of the source's, from `from_frame` on. `src_task` is the task
    of all its frames, None where they have several.
    """

    out_dataset: str
    out_episode: int
    from_index: int
    length: int
    at: int
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
    src_task: int | None


def place_episodes(
    engine: Engine,
    output_spec: OutputSpec,
    tasks: UnifiedTasks,
    schema: pa.Schema,
    *,
    computed: Sequence[ComputedFeature] = (),
    loose: LoosePictures,
    replaced: str | None = None,
) -> tuple[DataFileJob, ...]:
    """Return the jobs that write the data files, in the order of outputs and of their files.

    `loose` are the pictures that go from files of their own into data files. `replaced` is the source that
    the output replaces: its files stay as they are where they can.
    """
    strides, sizes = output_spec.resampling.strides, loose.sizes()
    planned = [
        replace(e, size_bytes=e.size_bytes + sizes[key])
        if (key := (e.src_dataset, e.src_episode)) in sizes
        else e
        for e in engine.records(
            "layout/episodes", PlannedEpisode, sources=list(strides), strides=list(strides.values())
        )
    ]
    columns = _list_columns(output_spec, loose)
    may_stay = (
        replaced is not None
        and not tasks.renumbered
        and _keeps_columns(output_spec, tasks, computed=bool(computed))
        and _keeps_rows(columns[replaced])
    )

    def stays(episodes: list[PlannedEpisode]) -> bool:
        return may_stay and _is_file_of(replaced, episodes, tasks.of(episodes[0].out_dataset))

    make_job = _job_maker(output_spec, tasks, schema, computed, columns, stays)
    return tuple(
        make_job(output, number, episodes)
        for output, of_output in groupby(planned, key=lambda episode: episode.out_dataset)
        for number, episodes in _split_into_files(list(of_output), output_spec, stays)
    )


def _list_columns(output_spec: OutputSpec, loose: LoosePictures) -> dict[str, SourceColumns]:
    """Return how the rows of each source become the output's."""
    return {
        name: SourceColumns(
            takes,
            output_spec.resampling.of_source(name),
            str(loose.roots[name]) if name in loose.roots else None,
        )
        for name, takes in output_spec.feature_map.items()
    }


def _split_into_files(
    planned: list[PlannedEpisode],
    output_spec: OutputSpec,
    stays: Callable[[list[PlannedEpisode]], bool],
) -> Iterator[tuple[int, list[PlannedEpisode]]]:
    """Yield the number of each data file of an output, and the episodes in it."""
    limits = output_spec.limits
    limit_bytes = int(limits.data_mb * MIB) if limits.concatenate_data else NO_LIMIT
    episodes = (list(pieces) for _, pieces in groupby(planned, key=lambda piece: piece.out_episode))
    of_files = (list(run) for _, run in groupby(episodes, key=lambda pieces: pieces[0].data_file))
    items, begin = keep_whole(of_files, stays)
    numbers = number_files(_items(items, begin, output_spec), limit_bytes=limit_bytes)
    for number, group in groupby(zip(numbers, items, strict=True), key=lambda pair: pair[0]):
        yield number, [piece for _, pieces in group for piece in pieces]


def _items(planned: list[list[PlannedEpisode]], begin: list[bool], output_spec: OutputSpec) -> Iterator[Item]:
    """Yield what each episode, all its pieces, adds to a data file.

    Unless files are to be concatenated, a file goes no further than the source's does. Those that `begin` a
    file do so for one that stays as it is.
    """
    before, strides = None, output_spec.resampling.strides
    for pieces, begins in zip(planned, begin, strict=True):
        size_bytes = sum(max(1, piece.size_bytes // strides[piece.src_dataset]) for piece in pieces)
        source = (pieces[0].src_dataset, pieces[0].data_file)
        frames = sum(piece.length for piece in pieces)
        is_next = not output_spec.limits.concatenate_data and source != before
        yield Item(size_bytes, frames, begins or is_next)
        before = source


def _job_maker(
    output_spec: OutputSpec,
    tasks: UnifiedTasks,
    schema: pa.Schema,
    computed: Sequence[ComputedFeature],
    columns: Mapping[str, SourceColumns],
    stays: Callable[[list[PlannedEpisode]], bool],
) -> Callable[[str, int, list[PlannedEpisode]], DataFileJob]:
    """Return what makes the job of a data file: of its output, its number, and the episodes in it."""
    may_copy = _may_copy(output_spec, tasks, computed=bool(computed))

    def make_job(output: str, number: int, planned: list[PlannedEpisode]) -> DataFileJob:
        chunk_index, file_index = divmod(number, output_spec.limits.chunk_files)
        names = [(episode.src_dataset, episode.src_episode) for episode in planned]
        sources = {name: columns[name] for name in dict.fromkeys(source for source, _ in names)}
        task_numbers, tasks_from = tasks.of(output).select(names)
        subtask_numbers, subtasks_from = tasks.subtasks_of(output).select(names)
        return DataFileJob(
            out_dataset=output,
            chunk_index=chunk_index,
            file_index=file_index,
            schema=schema,
            features=output_spec.columns,
            row_groups=output_spec.row_groups,
            # A piece may be a row group of its source, too, but its frames are numbered from its start.
            may_copy=may_copy
            and all(map(_keeps_rows, sources.values()))
            and all(e.is_whole and not e.at for e in planned),
            episodes=tuple(map(partial(_rows, tasks.of(output)), planned, tasks_from, subtasks_from)),
            sources=sources,
            task_numbers=task_numbers,
            subtask_numbers=subtask_numbers if tasks.has_subtasks else None,
            task_columns=tasks.renumbered,
            link=stays(planned),
            computed=tuple(
                ComputedColumn(
                    each.feature.name,
                    str(each.path),
                    tuple(each.rows.get(name, ABSENT) for name in names),
                    each.dimension,
                )
                for each in computed
            ),
        )

    return make_job


def _is_file_of(source: str | None, planned: list[PlannedEpisode], tasks: TaskMap) -> bool:
    """Return whether episodes are a whole file of a source, and have the numbers that they had."""
    first, last = planned[0], planned[-1]
    follow = all(b.data_file == a.data_file and b.row_from == a.row_to for a, b in pairwise(planned))
    whole = follow and first.row_from == 0 and last.row_to == last.data_file_rows
    return whole and all(
        e.src_dataset == source
        and e.out_episode == e.src_episode
        and e.is_whole
        and not e.at
        and (e.src_task is None or tasks.number(source, e.src_episode, e.src_task) == e.src_task)
        for e in planned
    )


def _rows(tasks: TaskMap, episode: PlannedEpisode, tasks_from: int, subtasks_from: int) -> EpisodeRows:
    source, number, task = episode.src_dataset, episode.src_episode, episode.src_task
    return EpisodeRows(
        out_episode=episode.out_episode,
        from_index=episode.from_index,
        length=episode.length,
        src_dataset=source,
        src_episode=number,
        from_frame=episode.from_frame,
        src_length=episode.src_length,
        is_whole=episode.is_whole,
        data_file=episode.data_file,
        row_from=episode.row_from,
        row_to=episode.row_to,
        data_file_rows=episode.data_file_rows,
        size_bytes=episode.size_bytes,
        only_task=None if task is None else tasks.number(source, number, task),
        tasks_from=tasks_from,
        subtasks_from=subtasks_from,
        at=episode.at,
    )


def _may_copy(output_spec: OutputSpec, tasks: UnifiedTasks, *, computed: bool) -> bool:
    """Return whether row groups may be copied as they are encoded, as far as the output_spec says."""
    known = all(feature.is_numeric or feature.is_visual for feature in output_spec.columns)
    return known and _keeps_columns(output_spec, tasks, computed=computed)


def _keeps_columns(output_spec: OutputSpec, tasks: UnifiedTasks, *, computed: bool) -> bool:
    """Return whether columns may stay as they are encoded, but for numbers of episodes, frames and tasks."""
    numbers_subtasks = tasks.has_subtasks and any(f.name == SUBTASK_INDEX for f in output_spec.columns)
    return not (
        output_spec.rewrite_data or output_spec.row_groups != "episode" or computed or numbers_subtasks
    )


def _keeps_rows(columns: SourceColumns) -> bool:
    """Return whether each frame of a source is taken at its time, every value as it is."""
    resampling = columns.resampling
    return (
        columns.picture_root is None
        and resampling.stride == 1
        and resampling.fps is None
        and not any(h.lossy or h.dimensions for h in columns.takes.values())
    )
