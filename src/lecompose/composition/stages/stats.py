"""Makes the statistics true: those of each output episode, and meta/stats.json.

Per episode: stored ones where a source has them, moved where numbering changed, computed where missing.
Over an output: computed from all its frames, quantiles included; cameras from their episodes' statistics.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lecompose import statistics
from lecompose.composition.context import Run
from lecompose.composition.episode_stats import FROM_LAYOUT, make_episode_stats, pool_pictures
from lecompose.composition.free_memory import release_free_memory
from lecompose.composition.jobs import DataFileJob, EpisodeRows
from lecompose.composition.layout import Layout
from lecompose.concurrency import Prefetch
from lecompose.dataset import stored_stats
from lecompose.dataset.write_metadata import write_stats
from lecompose.errors import MediaError, SourceBroken, count_of, few
from lecompose.files.parquet.damage import find_damage
from lecompose.formats import SUBTASK_INDEX, Feature
from lecompose.statistics import FeatureStats, FileRows, SampledClip, SeenClips
from lecompose.statistics.relative import measure_relative

# Of what sources carry so many tables of some 16 MiB wait.
_AHEAD = 2


@dataclass(frozen=True)
class _Output:
    """One output's data files, the pieces of each episode in the order of the rows, and what was measured."""

    name: str
    files: list[FileRows]
    episodes: list[tuple[EpisodeRows, ...]]
    measured: dict[str, FeatureStats]

    @property
    def lengths(self) -> list[int]:
        """The frames of each episode."""
        return [length for file in self.files for length in file.lengths]


def prefetch_stored_stats(layout: Layout) -> Prefetch[pa.Table]:
    """Begin to read the statistics that sources have stored, while the processor does something else."""
    return Prefetch(
        stored_stats.read_tables(layout.catalog, layout.output_spec.feature_map, _choose_stored(layout)),
        most=_AHEAD,
    )


def _choose_stored(layout: Layout) -> set[str]:
    """Return the statistics that are taken over where a source has them, `feature/stat` each.

    What is numbered anew is told by the layout; the range of `index` says whether its quantiles are true.
    """
    wanted = layout.output_spec.statistics
    told = {*FROM_LAYOUT, "task_index", *layout.tasks.renumbered}
    told |= {SUBTASK_INDEX} if layout.tasks.has_subtasks else set()
    numeric = [f.name for f in layout.output_spec.columns if f.is_numeric and f.name not in told]
    numbers = {f"{name}/{stat}" for name in numeric for stat in wanted.computed}
    numbers |= {f"index/{stat}" for stat in wanted.quantiles}
    pictures = {
        f"{f.name}/{stat}" for f in layout.output_spec.features if f.is_visual for stat in wanted.names
    }
    of_index = {"index/min", "index/max"}
    if wanted.carried:
        return of_index | numbers | pictures
    return of_index if wanted.pictures else of_index | pictures


def make_stats(run: Run) -> None:
    """Make the statistics of all output episodes, and write stats.json of every output.

    Raises:
        SourceBroken: if statistics, or the frames to compute them from, cannot be read.
        OutputUnwritable: if stats.json cannot be written.
    """
    colours = [f.name for f in run.output_spec.features if f.is_visual and not f.is_depth]
    loaded = stored_stats.load_tables(run.layout.catalog, run.stored_stats, colours)
    for source, name in sorted(loaded.divided):
        _note(run, f'source "{source}", camera "{name}": {stored_stats.DIVIDED}')
    stored = _count_missing(run, loaded.columns)
    numeric = [f for f in run.output_spec.columns if f.is_numeric]
    incomplete = _find_incomplete(run, numeric, stored)
    release_free_memory()
    outputs = list(_list_outputs(run))
    _measure_numbering(run, outputs, numeric, incomplete)
    decoded_cameras = _list_decoded_cameras(run)
    clips = {(o.name, f.name): _list_clips(run, o, f) for o in outputs for f in decoded_cameras}
    unknown = {o.name: [f for f in numeric if f.name not in o.measured] for o in outputs}
    size_bytes = sum(
        statistics.estimate_numbers_bytes(run.workers, o.files, unknown[o.name], incomplete) for o in outputs
    )
    run.progress.stage("stats", size_bytes + sum(map(statistics.estimate_pictures_bytes, clips.values())))
    quantiles = run.output_spec.statistics.quantiles
    for output in outputs:
        wanted = unknown[output.name]
        with _name_source_file(run, output):
            found = statistics.measure_numbers(
                run.workers, output.files, wanted, quantiles=quantiles, by_episode=incomplete
            )
        output.measured.update(found)
        for camera in decoded_cameras:
            output.measured[camera.name] = _measure_pictures(
                run, output, clips[output.name, camera.name], camera
            )
    parts = _count_parts(run)
    kept = {
        f.name: _choose_kept(run, f, stored, parts)
        for f in run.output_spec.features
        if f.is_visual and f not in decoded_cameras
    }
    of_parts = _measure_parts(run, outputs, kept) if parts else {}
    release_free_memory()
    run.episode_stats = make_episode_stats(
        run.layout,
        [*numeric, *decoded_cameras, *(f for f in run.output_spec.features if f.name in of_parts)],
        {o.name: o.measured | {name: found[o.name] for name, found in of_parts.items()} for o in outputs},
        stored=stored,
        kept=[name for camera, names in kept.items() if camera not in of_parts for name in names],
    )
    for output in outputs:
        if (relative := run.output_spec.statistics.relative) is not None:
            features = run.output_spec.features
            output.measured[relative.feature] = measure_relative(
                run.workers, output.files, features, relative, quantiles
            )
        every = _summarise_output(run, output, kept, {name: n - parts for name, n in stored.items()})
        _note_without_stats(run, [f for f in run.output_spec.features if f.is_visual and f.name not in every])
        write_stats(every, run.folders[output.name])
    stored_stats.drop_stored_stats(run.layout.catalog)


def _count_missing(run: Run, stored: Collection[str]) -> dict[str, int]:
    """Return the stored statistics, and of how many planned episodes each is missing."""
    names = sorted(stored)
    if not names:
        return {}
    counts = run.engine.value("statistics/missing", {"names": names})
    return dict(zip(names, counts, strict=True))


def _find_incomplete(run: Run, numeric: list[Feature], stored: Mapping[str, int]) -> set[str]:
    """Return the features whose statistics have to be computed for at least one episode."""
    wanted = run.output_spec.statistics.computed
    return {
        f.name
        for f in numeric
        if f.name not in FROM_LAYOUT and any(stored.get(f"{f.name}/{stat}", 1) for stat in wanted)
    }


def _list_outputs(run: Run) -> Iterator[_Output]:
    for name in run.layout.totals:
        jobs = run.layout.data_jobs_of(name)
        files = [_describe_file(run.folders[name] / job.path, job) for job in jobs]
        yield _Output(name, files, [episode for job in jobs for episode in job.pieces], {})


@contextmanager
def _name_source_file(run: Run, output: _Output) -> Iterator[None]:
    """Name the source's file where pages cannot be read that were copied as they are."""
    try:
        yield
    except SourceBroken as error:
        files = sorted({piece.data_file for pieces in output.episodes for piece in pieces})
        raise find_damage(files) or error from error.__cause__


def _measure_numbering(
    run: Run, outputs: list[_Output], numeric: list[Feature], incomplete: Collection[str]
) -> None:
    """Measure what the layout numbers; nothing has to be read."""
    names = {feature.name for feature in numeric}
    quantiles = run.output_spec.statistics.quantiles
    for output in outputs:
        found = statistics.measure_bookkeeping(output.lengths, quantiles, by_episode=incomplete)
        tasks = [{piece.only_task for piece in pieces} for pieces in output.episodes]
        numbers = [task for only in tasks if len(only) == 1 and (task := next(iter(only))) is not None]
        if len(numbers) == len(output.episodes):
            found["task_index"] = statistics.measure_constants(numbers, output.lengths, quantiles)
        output.measured.update({name: measured for name, measured in found.items() if name in names})


def _describe_file(path: Path, job: DataFileJob) -> FileRows:
    ends = np.cumsum([0, *job.lengths]).tolist()
    return FileRows(path, tuple(pairwise(ends)))


def _list_decoded_cameras(run: Run) -> list[Feature]:
    """Return the cameras whose pictures are decoded."""
    return [f for f in run.output_spec.features if f.is_visual and run.output_spec.statistics.pictures]


def _list_clips(run: Run, output: _Output, camera: Feature) -> list[SampledClip]:
    if not camera.is_video:
        return [SampledClip(file.path, *rows) for file in output.files for rows in file.rows]
    folder, placed = run.folders[output.name], run.layout.clips.of_cameras[output.name, camera.name]
    return [SampledClip(folder / clip.path(camera.name), clip.from_frame, clip.to_frame) for clip in placed]


def _measure_pictures(run: Run, output: _Output, clips: list[SampledClip], camera: Feature) -> FeatureStats:
    """Measure the pictures of a camera; those of files that others have looked at are not decoded again."""
    folder = run.folders[output.name]

    def find_seen(path: Path) -> SeenClips | None:
        seen = run.seen_pictures.get((output.name, path.relative_to(folder).as_posix(), camera.name))
        return None if seen is None else statistics.read_seen_clips(seen)

    return statistics.measure_pictures(
        run.workers,
        clips,
        camera,
        quantiles=run.output_spec.statistics.quantiles,
        on_frame=partial(run.count, "frames_decoded", 1),
        find_seen=find_seen,
    )


# Per episode ------------------------------------------------------------------------------------


def _choose_kept(run: Run, camera: Feature, stored: Mapping[str, int], parts: int) -> list[str]:
    """Return the statistics of a camera to keep: what any episode has, quantiles only if all have them.

    So many `parts` of episodes have none that is stored; theirs are measured.
    """
    wanted = run.output_spec.statistics
    names = [name for stat in wanted.names if (name := f"{camera.name}/{stat}") in stored]
    episodes = sum(totals.episodes for totals in run.layout.totals.values())
    return [
        name
        for name in names
        if stored[name] == parts
        or (stored[name] < episodes and name.rpartition("/")[2] not in wanted.quantiles)
    ]


def _count_parts(run: Run) -> int:
    """Return how many output episodes are parts of their source's."""
    return sum(_is_part(pieces) for job in run.layout.data_jobs for pieces in job.pieces)


def _is_part(pieces: Sequence[EpisodeRows]) -> bool:
    """Return whether an output episode is not its source's episode, all of it."""
    return len(pieces) > 1 or not pieces[0].is_whole


def _measure_parts(
    run: Run, outputs: Sequence[_Output], kept: Mapping[str, list[str]]
) -> dict[str, dict[str, FeatureStats]]:
    """Measure the pictures of parts of episodes, by camera and output, where whole ones have statistics."""
    found: dict[str, dict[str, FeatureStats]] = {}
    quantiles = run.output_spec.statistics.quantiles
    for camera in (f for f in run.output_spec.features if kept.get(f.name)):
        names = {name.rpartition("/")[2] for name in kept[camera.name]}
        for output in outputs:
            is_part = np.array([_is_part(pieces) for pieces in output.episodes])
            if not is_part.any():
                found.setdefault(camera.name, {})[output.name] = FeatureStats({}, None)
                continue
            clips = _list_clips(run, output, camera)
            try:
                measured = statistics.measure_pictures(
                    run.workers,
                    [clip for clip, part in zip(clips, is_part, strict=True) if part],
                    camera,
                    quantiles=quantiles,
                )
            except MediaError as error:
                raise MediaError(
                    "pictures of a piece cannot be decoded, and are needed for its statistics",
                    reason=error.reason,
                    hint="lecompose check --decode, which names them in the source",
                    feature=camera.name,
                ) from error
            chosen = {stat: values for stat, values in (measured.episodes or {}).items() if stat in names}
            found.setdefault(camera.name, {})[output.name] = FeatureStats(
                measured.whole, chosen, of_episodes=is_part
            )
    return found


# Over an output ---------------------------------------------------------------------------------


def _summarise_output(
    run: Run, output: _Output, kept: Mapping[str, list[str]], stored: Mapping[str, int]
) -> dict[str, Any]:
    """Return stats.json of one output, features in their order."""
    names, every = run.output_spec.statistics.names, {}
    for feature in run.output_spec.features:
        if feature.name in output.measured:
            measured = output.measured[feature.name]
            if measured.has_value:
                every[feature.name] = measured.as_json(names, nested=feature.is_visual)
            else:
                _note(run, f'feature "{feature.name}": no value in any frame; stats.json leaves it out')
            if not measured.is_finite:
                _note(
                    run, f'feature "{feature.name}": has NaN or infinite numbers, and so have its statistics'
                )
        elif feature.is_visual and (
            said := _summarise_camera(run, output.name, feature, kept[feature.name], stored)
        ):
            every[feature.name] = {stat: said[stat] for stat in names if stat in said}
    return every


def _summarise_camera(
    run: Run, output: str, camera: Feature, names: list[str], stored: Mapping[str, int]
) -> dict[str, Any]:
    """Return a camera's statistics, from those of its episodes; nothing where they have none."""
    kept = {name.rpartition("/")[2]: name for name in names}
    if not {"min", "max", "mean", "std"} <= kept.keys():
        return {}
    _note_unknown(run, camera, stored[kept["mean"]])
    pooled = pool_pictures(run.episode_stats, output, kept, run.output_spec.statistics.quantiles)
    if pooled is None:
        return {}
    count = {"count": [int(pooled.count)]} if "count" in kept else {}
    return {stat: [[[x]] for x in values] for stat, values in pooled.stats.items()} | count


def _note(run: Run, note: str) -> None:
    if note not in run.notes:
        run.notes.append(note)


def _note_without_stats(run: Run, cameras: Sequence[Feature]) -> None:
    """Note the cameras whose pictures have no statistics at all; of pictures that are null there are none."""
    if cameras and not run.output_spec.statistics.pictures:
        names = few(camera.name for camera in cameras)
        _note(
            run,
            f"no source has picture statistics of {names}; LeRobot's policies need them."
            " Try: lecompose stats DATASET -o OUT --images",
        )


def _note_unknown(run: Run, camera: Feature, lacking: int) -> None:
    if lacking:
        have = count_of(lacking, "episode has", "episodes have")
        _note(
            run,
            f'camera "{camera.name}": {have} no picture statistics; stats.json covers the others.'
            " Try: lecompose stats DATASET -o OUT --images",
        )
