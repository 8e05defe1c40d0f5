"""Saves what can be saved of a damaged dataset, as one that any operation can read.

The result is a folder in scratch: new metadata, made of what the files really hold, and links to the data and
video files that are whole. Episodes keep their numbers. Those that cannot be saved are not in its list; why
is in the result. What is composed of it is checked like any output.
"""

import math
import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from lecompose.checks import describe_doubts
from lecompose.checks.faults import in_dataset, problem_in
from lecompose.checks.repair.derived_columns import Derived, derive_columns
from lecompose.checks.repair.features import find_features
from lecompose.checks.repair.find_sound_episodes import Dropped, Salvage, find_sound_episodes
from lecompose.checks.repair.half_converted import convert_lists
from lecompose.checks.repair.odd_vectors import leave_out_odd_vectors
from lecompose.checks.repair.order_rows import CONTRADICTION, order_rows
from lecompose.checks.repair.videos import find_clips
from lecompose.checks.repair.write_saved_dataset import SavedDataset, write_saved_dataset
from lecompose.checks.tolerant_open import Opened, folder_of, open_tolerantly
from lecompose.dataset import stored_stats
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.custom_columns import CustomValues, read_custom_columns
from lecompose.dataset.catalog.data_files import empty_error, is_empty
from lecompose.dataset.catalog.hub_cache import name_dataset
from lecompose.dataset.catalog.source import SAME_ROBOT, TRUE_FPS
from lecompose.dataset.catalog.time_shifts import find_time_shifts
from lecompose.dataset.loose_pictures import find_loose_pictures
from lecompose.engine import Engine, open_engine
from lecompose.errors import ComposeError, SourceBroken
from lecompose.formats import TOLERANCE_S

# How far timestamps may run away from the frames, a second, and how far rates may differ, to be jitter.
_DRIFT = 0.05
_OTHER_RATE = 1e-4

__all__ = ["Dropped", "Repaired", "repair_dataset"]


@dataclass(frozen=True)
class Repaired:
    """A damaged dataset made readable: `root` is the folder to read in its place.

    `dropped` are the episodes that could not be saved, `notes` say what was corrected. `undeclared` are
    columns of the data files that info.json did not declare, and now does. `off_grid` says that timestamps
    are not those of the frames, `has_stats` that every episode has its statistics.
    """

    source: Source
    root: Path
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]
    undeclared: tuple[str, ...]
    off_grid: bool
    has_stats: bool


def repair_dataset(
    given: str | Path, *, scratch: Path, without: frozenset[str], threads: int | None, memory: str | None
) -> Repaired:
    """Save what can be saved of the dataset in a new folder below `scratch`, without the cameras named.

    Raises:
        SourceBroken: if nothing can be saved, or it is not clear how.
        SourceNotFound: if there is no dataset at all.
    """
    scratch.mkdir()
    start = partial(open_engine, scratch=scratch, threads=threads, memory=memory)
    converted = convert_lists(folder_of(given), scratch / "converted")
    made = [] if converted is None else [converted]
    torn: frozenset[int] = frozenset()
    try:
        with closing(start()) as engine:
            opened = open_tolerantly(engine, made[-1].root if made else given)
            if not opened.catalog.sources:
                raise _hopeless(opened)
            _refuse_without_rate(opened)
            (source,) = opened.catalog.sources
            derived = derive_columns(source, opened.footers, scratch / "derived")
            if derived is None:
                ordered = order_rows(engine, source, list(opened.footers), scratch / "ordered")
                derived, torn = ordered.derived, ordered.torn
            if derived is None:
                repaired = _repair(engine, opened, scratch=scratch, without=without, torn=torn)
                return _as_of_originals(repaired, made)
        made.append(derived)
        with closing(start()) as engine:
            opened = open_tolerantly(engine, derived.root)
            repaired = _repair(engine, opened, scratch=scratch, without=without, torn=torn)
            return _as_of_originals(repaired, made)
    except SourceBroken as error:
        for each in reversed(made):
            error.path = each.rename(error.path)
        raise


def _as_of_originals(repaired: Repaired, made: Sequence[Derived]) -> Repaired:
    """Return what was made of the last of these stand-ins as made of the dataset itself."""
    for each in reversed(made):
        repaired = each.as_of_original(repaired)
    return repaired


def _repair(
    engine: Engine, opened: Opened, *, scratch: Path, without: frozenset[str], torn: frozenset[int]
) -> Repaired:
    """Save what can be saved of a dataset that is open; nothing of the episodes that are `torn`.

    Raises:
        SourceBroken: if nothing can be saved, or it is not clear how.
    """
    (source,) = opened.catalog.sources
    if not opened.footers:
        raise _no_data(opened)
    features = find_features(source, opened.footers)
    salvage = find_sound_episodes(engine, source, features.files)
    sound = {episode.episode for episode in salvage.episodes}
    salvage = salvage.without(Dropped(source.name, n, CONTRADICTION) for n in sorted(torn & sound))
    features, salvage = leave_out_odd_vectors(
        features, salvage, opened.footers, source=source, without=without
    )
    salvage = find_clips(engine, source, salvage, scratch=scratch, without=without)
    salvage = salvage.without(_lacking_pictures(opened.catalog, without))
    _refuse_other_rate(engine, source, salvage)
    if not salvage.episodes:
        raise _nothing_left(source, salvage)
    stats, divided = _stats(opened.catalog)
    root = scratch / source.name
    saved_dataset = SavedDataset(source, features, salvage, _custom(engine, source), stats)
    write_saved_dataset(engine, saved_dataset, root)
    lost = stats is None or any(episode.is_changed for episode in salvage.episodes)
    return Repaired(
        source=source,
        root=root,
        dropped=tuple(sorted(salvage.dropped, key=lambda d: d.episode)),
        notes=(
            *_unread(opened),
            *features.notes,
            *salvage.notes,
            *divided,
            *_doubts(opened.catalog, salvage),
        ),
        undeclared=features.undeclared,
        off_grid=salvage.off_grid,
        has_stats=not lost,
    )


_HOW_IT_IS_READ = (
    "codebase_version in meta/info.json as the folder is laid out, or an export with LeRobot's own files"
)


def _lacking_pictures(catalog: Catalog, without: frozenset[str]) -> Iterator[Dropped]:
    """Yield the episodes whose data files name pictures that are missing."""
    for episode in find_loose_pictures(catalog).episodes:
        if (episode.missing or episode.empty) and episode.feature not in without:
            problem = episode.problem if episode.missing else episode.emptiness
            reason = f'feature "{episode.feature}": {problem}'
            yield Dropped(episode.src_dataset, episode.src_episode, reason, camera=episode.feature)


def _hopeless(opened: Opened) -> SourceBroken:
    faults = opened.damage.faults
    why = problem_in(faults[0], opened.root) if faults else "info.json declares no features"
    if faults and faults[0].code == "info_version":
        return SourceBroken(f"nothing can be saved: {why}", hint=_HOW_IT_IS_READ, path=faults[0].path)
    return SourceBroken(
        "nothing can be saved without meta/info.json",
        reason=why,
        hint=SAME_ROBOT,
        path=opened.root / "meta/info.json",
    )


def _no_data(opened: Opened) -> SourceBroken:
    if is_empty(opened.root):
        return empty_error(opened.root)
    faults = [fault for fault in opened.damage.faults if fault.code == "data_readable"]
    return SourceBroken(
        "no data file can be read: nothing can be saved",
        reason=problem_in(faults[0], opened.root) if faults else None,
        hint="fetch the data files again, or record again: what the pages of a parquet file are of stands in"
        " its footer alone, which is written last",
        path=opened.root / "data",
    )


def _refuse_without_rate(opened: Opened) -> None:
    if "fps" in opened.damage.lacking:
        raise SourceBroken(
            "the rate is not known, and cannot be guessed",
            hint=TRUE_FPS,
            path=opened.root / "meta/info.json",
        )


def _are_only_late(engine: Engine, source: Source, salvage: Salvage) -> bool:
    """Return whether all timestamps of an episode are late by as much: then the rate is right."""
    files = sorted({str(episode.data_file) for episode in salvage.episodes})
    return all(shift.is_even for shift in find_time_shifts(engine, files, source.fps))


def _refuse_other_rate(engine: Engine, source: Source, salvage: Salvage) -> None:
    """Raise SourceBroken if timestamps or videos show that the rate in info.json is wrong."""
    off = [e for e in salvage.episodes if e.off_grid_s >= TOLERANCE_S]
    # What is infinite was not there.
    drifting = [e for e in off if _DRIFT * e.length / float(source.fps) < e.off_grid_s < math.inf]
    rates = {round(rate, 3) for rate in salvage.rates if abs(rate / float(source.fps) - 1) > _OTHER_RATE}
    if drifting and not rates and _are_only_late(engine, source, salvage):
        return
    if off and (rates or 2 * len(drifting) > len(salvage.episodes)):
        videos = f", and videos run at {', '.join(f'{rate:g}' for rate in sorted(rates))}" if rates else ""
        raise SourceBroken(
            f"timestamps do not go with the {float(source.fps):g} fps of info.json{videos}",
            hint="the true fps in meta/info.json, then repair",
            path=source.root / "meta/info.json",
        )


def _nothing_left(source: Source, salvage: Salvage) -> SourceBroken:
    first = f"; episode {salvage.dropped[0].episode}: {salvage.dropped[0].reason}" if salvage.dropped else ""
    hint = f"lecompose check {shlex.quote(source.given)}, which lists every fault"
    if salvage.dropped and all(episode.camera for episode in salvage.dropped):
        cameras = dict.fromkeys(episode.camera for episode in salvage.dropped if episode.camera)
        removed = " ".join(f"--remove {shlex.quote(camera)}" for camera in cameras)
        hint = f"{removed}, which leaves the camera out"
    return SourceBroken(f"no episode can be saved{first}", hint=hint, path=source.root)


def _unread(opened: Opened) -> Iterator[str]:
    """Yield what could not be read, file by file; what is wrong with an episode is in `dropped`."""
    for fault in opened.damage.faults:
        file = in_dataset(fault.path, opened.root)
        where = f" ({file})" if file else ""
        what = "" if fault.feature is None else f'feature "{fault.feature}": '
        gone = ". It is left out with its data" if fault.code == "feature_specs" else ""
        problem = problem_in(fault, opened.root)
        yield f'source "{name_dataset(opened.root)}": {fault.code}: {what}{problem}{gone}{where}'


def _doubts(catalog: Catalog, salvage: Salvage) -> tuple[str, ...]:
    """Return where the dataset contradicts itself; nothing where too little of it can be read to tell."""
    decided = ("episode_tasks",) if salvage.tasks_by_lists else ()
    try:
        return tuple(describe_doubts(catalog, decided=decided))
    except (ComposeError, OSError, ValueError):
        return ()


def _stats(catalog: Catalog) -> tuple[pa.Table | None, list[str]]:
    """Return the statistics of the episodes, and notes on them; None where they cannot be read."""
    try:
        found = stored_stats.register_stored_stats(catalog)
        told = [f'source "{s}", camera "{c}": {stored_stats.DIVIDED}' for s, c in sorted(found.divided)]
        return catalog.engine.read("stored_stats", catalog.engine.columns_of("stored_stats")), told
    except (ComposeError, OSError, ValueError):
        return None, []


def _custom(engine: Engine, source: Source) -> CustomValues | None:
    try:
        return read_custom_columns(engine, source)
    except (ComposeError, OSError, ValueError):  # the damage says what is wrong with them
        return None
