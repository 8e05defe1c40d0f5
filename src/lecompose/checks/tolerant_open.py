"""Opens a dataset of which anything may be broken: what can be read becomes relations, the rest faults."""

import shlex
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

from lecompose.checks.damaged_lists import read_episodes, read_tasks
from lecompose.checks.data_files import Data, find_missing_files, read_data
from lecompose.checks.faults import NO_DAMAGE, Damage, Fault, as_damage, try_to
from lecompose.checks.footers import Footers
from lecompose.checks.info import read_info
from lecompose.checks.unread_files import find_unreadable
from lecompose.dataset.catalog import Catalog, CustomColumns, Source, locate
from lecompose.dataset.catalog.custom_columns import read_custom_columns
from lecompose.dataset.catalog.data_files import is_empty
from lecompose.dataset.catalog.lineage import LINEAGE_PATH, register_source_lineage
from lecompose.dataset.catalog.register import (
    data_file_rows,
    dataset_rows,
    feature_rows,
    register_clips,
    register_episodes,
)
from lecompose.dataset.catalog.tasks import register_tasks
from lecompose.engine import Engine
from lecompose.errors import QueryError, SourceBroken, SourceNotFound


@dataclass(frozen=True)
class Opened:
    """A dataset as far as it can be read.

    The catalog has the relations that promises read; it has no source where info.json tells nothing.
    """

    root: Path
    catalog: Catalog
    footers: Footers
    damage: Damage


def open_tolerantly(engine: Engine, given: str | Path) -> Opened:
    """Return the dataset as a catalog of what can be read, and what cannot be.

    Raises:
        SourceNotFound: if there is no dataset at all.
    """
    root = folder_of(given)
    source, found = read_info(root, str(given))
    if source is None:
        found |= find_unreadable(root, engine.workers())
        return Opened(root, Catalog(engine, (), CustomColumns((), 0)), {}, found)
    found |= _register_tasks(engine, source)
    found |= _register_episodes(engine, source)
    episodes = _count_episodes(engine)
    found |= _missing_video_folder(source) if episodes else NO_DAMAGE
    data = read_data(engine, source, is_expected=episodes > 0 or "declared" in found.lacking)
    found |= data.damage
    source = data.source
    _register_data(engine, data)
    if source.root / "data" not in found.unreadable:
        found |= find_missing_files(engine, source)
    if not episodes:
        found |= Damage(silent=frozenset({"stats_facts"}))  # of nothing there are no statistics
    elif "declared" not in found.lacking:
        found = _read_the_rest(engine, source, found)
    return Opened(root, Catalog(engine, (source,), CustomColumns((), 0)), data.footers, found)


def folder_of(given: str | Path) -> Path:
    """Return the dataset's folder, also where it lacks info.json.

    Raises:
        SourceNotFound: if there is no dataset at all.
    """
    try:
        return locate(given)
    except SourceNotFound:
        root = Path(given).expanduser()
        if str(given) and any((root / "meta").glob("*")):
            return root.resolve()
        raise


# Metadata ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Total:
    episodes: int


@dataclass(frozen=True)
class _Command:
    command: str


def _register_tasks(engine: Engine, source: Source) -> Damage:
    """Make `tasks`, row by row where it cannot be had as a whole."""
    try:
        register_tasks(engine, [source])
    except (SourceBroken, QueryError) as error:
        rows, found = read_tasks(source, error)
        engine.load("tasks", rows)
        has_list = any((source.root / "meta").glob("tasks.*"))
        return found if has_list or not is_empty(source.root) else NO_DAMAGE
    return NO_DAMAGE


def _register_episodes(engine: Engine, source: Source) -> Damage:
    """Make `declared` and `clips`, row by row where they cannot be had as a whole."""
    try:
        register_episodes(engine, [source])
        register_clips(engine, [source])
    except (SourceBroken, QueryError) as error:
        if engine.has("declared"):
            engine.drop("declared")
        found = read_episodes(source, error)
        engine.load("declared", found.declared)
        engine.load("clips", found.clips)
        return found.damage
    return NO_DAMAGE


def _count_episodes(engine: Engine) -> int:
    (total,) = engine.records("verify/declared_episodes", _Total)
    return total.episodes


def _missing_video_folder(source: Source) -> Damage:
    """Return a fault for each camera where the folder of the video template is not there."""
    template = source.video_template
    folder = template.partition("{")[0].rpartition("/")[0]
    if not source.cameras or (source.root / folder).is_dir():
        return NO_DAMAGE
    beside = sorted(p.name for p in source.root.iterdir() if p.is_dir() and p.name not in ("data", "meta"))
    there = f"; there is {', '.join(f'{name}/' for name in beside)}" if beside else ""
    problem = f'video_path is "{template}", and there is no folder {folder}/{there}'
    path = source.root / "meta/info.json"
    return as_damage(
        *(Fault("path_templates", path, problem, feature=f.name, lacks="clips") for f in source.cameras)
    )


def _register_data(engine: Engine, data: Data) -> None:
    sources = (data.source,)
    engine.load("datasets", dataset_rows(sources))
    engine.load("features", feature_rows(sources))
    engine.load("data_files", data_file_rows((data.source, file) for file in data.files))
    engine.load("placement", data.placement)


def _read_the_rest(engine: Engine, source: Source, found: Damage) -> Damage:
    """Return the damage with that of per-episode columns and lineage, which only operations read.

    A rate that a command of ours was told to make is meant.
    """
    list_path = source.root / "meta" / ("episodes" if source.is_v3 else "episodes.jsonl")
    read = partial(read_custom_columns, engine, source)
    _, unread = try_to(read, otherwise=None, code="metadata_readable", path=list_path)
    lineage_path = source.root / LINEAGE_PATH
    rates = partial(_rate_was_asked_for, engine, source)
    is_meant, no_lineage = try_to(rates, otherwise=False, code="metadata_readable", path=lineage_path)
    found |= unread | no_lineage
    return found.without("fps_whole") if is_meant else found


def _rate_was_asked_for(engine: Engine, source: Source) -> bool:
    """Return whether a command in the dataset's lineage was to make an output of its rate."""
    lineage = register_source_lineage(engine, source)
    if lineage is None:
        return False
    commands = engine.records("catalog/commands", _Command, {"lineage": lineage})
    return any(_asks_for(row.command, source.fps) for row in commands)


def _asks_for(command: str, fps: Fraction) -> bool:
    """Return whether a command of ours, as a lineage has it, was to make an output of this rate."""
    with suppress(ValueError, ZeroDivisionError):
        words = shlex.split(command)
        rates = [value for option, value in pairwise(words) if option in ("--retime", "--fps")]
        return any(Fraction(rate).limit_denominator(100_000) == fps for rate in rates)
    return False
