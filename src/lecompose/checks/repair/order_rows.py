"""Rows of data files that are not in the order of their frames, or numbered otherwise than the episode list.

What several columns tell alike is put right: the data files are written anew, the rest of the dataset is
linked. Where they contradict each other the episode is left out.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.checks.repair.derived_columns import Derived
from lecompose.checks.repair.find_sound_episodes import PlacedEpisode, some_numbers
from lecompose.dataset.catalog import DeclaredLength, Source
from lecompose.engine import Engine
from lecompose.errors import SourceBroken
from lecompose.files.link_rest import link_rest
from lecompose.files.parquet.damage import reading_parquet

# How far a step between timestamps may be from one frame, and from none, in frames.
_ON_GRID, _BACK = 0.1, -0.5
CONTRADICTION = "its timestamps and frame_index have its rows in different orders"

_BY_NAME = "episode_index was another than the episode list has, and now is that in the names of files"
_BY_ORDER = "episode_index was another than the episode list has, and now follows the rows, as long as listed"
_ORDERED = "rows were not in order, and now are in that of frame_index"
_FROM_0 = "frame_index did not begin at 0, and is now counted from there"
_COUNTED = "frame_index was one number throughout, and is now counted in the order of rows and timestamps"


@dataclass(frozen=True)
class Ordered:
    """A dataset with its rows in order; `torn` are the episodes whose columns contradict each other."""

    derived: Derived | None
    torn: frozenset[int]


@dataclass
class _Rows:
    """The rows of a data file by their numbering; `order` is which of them stands where. Units: frames."""

    path: Path
    episodes: np.ndarray
    frames: np.ndarray
    times: np.ndarray | None
    order: np.ndarray
    is_changed: bool = False


def order_rows(engine: Engine, source: Source, files: Sequence[Path], folder: Path) -> Ordered:
    """Return the dataset with rows in order, in a new `folder`, where they are not and other columns tell it.

    Raises:
        SourceBroken: where a data file cannot be read.
    """
    placed = engine.records("repair/placement", PlacedEpisode)
    listed = {
        row.src_episode: row.length
        for row in engine.read_records("declared", DeclaredLength)
        # A list that is damaged may hold neither.
        if None not in (row.src_episode, row.length)
    }
    if not any(_is_odd(episode, listed, float(source.fps)) for episode in placed):
        return Ordered(None, frozenset())
    rows = [_read_rows(path, float(source.fps)) for path in sorted(files)]
    if not rows or any(of_file is None for of_file in rows):
        return Ordered(None, frozenset())
    known = [of_file for of_file in rows if of_file is not None]
    how = _number_episodes(known, listed, is_v3=source.is_v3)
    changes, torn = _order_frames(known, listed)
    if not any(of_file.is_changed for of_file in known):
        return Ordered(None, frozenset(torn))
    root = folder / source.name
    for of_file in known:
        _write(of_file, root / of_file.path.relative_to(source.root))
    link_rest(source.root, root)
    notes = [how] if how else []
    notes += [f"{what}: episode {some_numbers(sorted(of))}" for what, of in changes.items()]
    note = f'source "{source.name}": {"; ".join(notes)}'
    return Ordered(Derived(root, source.root, note), frozenset(torn))


def _is_odd(placed: PlacedEpisode, listed: Mapping[int, int], fps: float) -> bool:
    """Return whether the rows of an episode may not be in order, or those of another one."""
    is_apart = placed.row_to - placed.row_from != placed.rows or placed.data_file != placed.last_data_file
    is_other = listed.get(placed.src_episode) != placed.rows
    late = placed.off_grid_s is not None and placed.off_grid_s * fps > -_BACK
    return not placed.in_order or is_apart or is_other or late


def _read_rows(path: Path, fps: float) -> _Rows | None:
    """Return the rows of a file; None where they have no whole numbers."""
    with reading_parquet(path):
        names = [n for n in ("episode_index", "frame_index", "timestamp") if n in pq.read_schema(path).names]
        table = pq.read_table(path, columns=names, partitioning=None)
    columns = {name: table[name] for name in names}
    whole = [columns[name] for name in ("episode_index", "frame_index") if name in columns]
    if len(whole) < 2 or any(c.null_count or not pa.types.is_integer(c.type) for c in whole):
        return None
    episodes, frames = (column.to_numpy().astype(np.int64) for column in whole)
    times = columns.get("timestamp")
    if times is None or times.null_count or times.type not in (pa.float32(), pa.float64()):
        return _Rows(path, episodes, frames, None, np.arange(len(table)))
    return _Rows(path, episodes, frames, times.to_numpy().astype(float) * fps, np.arange(len(table)))


# Which episode a row is of ----------------------------------------------------------------------


def _number_episodes(rows: Sequence[_Rows], listed: Mapping[int, int], *, is_v3: bool) -> str | None:
    """Number the episodes as the list does, where rows do not; return how."""
    numbers, counts = np.unique(np.concatenate([r.episodes for r in rows]), return_counts=True)
    if dict(zip(numbers.tolist(), counts.tolist(), strict=True)) == dict(listed):
        return None
    found, how = None, ""
    if not is_v3:
        found, how = _number_by_name(rows, listed), _BY_NAME
    if found is None:
        found, how = _number_by_runs(rows, listed), _BY_ORDER
    if found is None:
        return None
    for of_file, own in zip(rows, found, strict=True):
        of_file.is_changed = bool((own != of_file.episodes).any())
        of_file.episodes = own
    return how


def _number_by_name(rows: Sequence[_Rows], listed: Mapping[int, int]) -> list[np.ndarray] | None:
    """Return the numbers that files have in their names, if the list agrees with them."""
    names = [re.search(r"(\d+)$", of_file.path.stem) for of_file in rows]
    numbers = [int(name[1]) for name in names if name]
    counts = [len(of_file.episodes) for of_file in rows]
    is_single = all(len(np.unique(of_file.episodes)) == 1 for of_file in rows)
    if not is_single or len(numbers) < len(rows) or dict(zip(numbers, counts, strict=True)) != dict(listed):
        return None
    return [np.full(count, number) for number, count in zip(numbers, counts, strict=True)]


def _number_by_runs(rows: Sequence[_Rows], listed: Mapping[int, int]) -> list[np.ndarray] | None:
    """Return the listed numbers, if the rows are as many runs of frames, as long as listed, in that order."""
    frames = np.concatenate([of_file.frames for of_file in rows])
    starts = [*np.flatnonzero(frames == 0).tolist(), len(frames)]
    lengths = [stop - start for start, stop in pairwise(starts)]
    wanted = sorted(listed)
    counted = np.concatenate([np.arange(length) for length in lengths]) if lengths else frames[:0]
    if lengths != [listed[n] for n in wanted] or not np.array_equal(counted, frames):
        return None
    numbers = np.repeat(np.array(wanted, np.int64), lengths)
    return np.split(numbers, np.cumsum([len(of_file.frames) for of_file in rows])[:-1])


# Which frame a row is ---------------------------------------------------------------------------


def _order_frames(rows: Sequence[_Rows], listed: Mapping[int, int]) -> tuple[dict[str, set[int]], set[int]]:
    """Put the rows of each episode in the order of its frames, from 0.

    Return what is done to which episodes, and those whose columns contradict each other.
    """
    changes: dict[str, set[int]] = defaultdict(set)
    torn: set[int] = set()
    for of_file in rows:
        frames = of_file.frames.copy()
        for episode in np.unique(of_file.episodes).tolist():
            places = np.flatnonzero(of_file.episodes == episode)
            times = None if of_file.times is None else of_file.times[places]
            found = find_order(frames[places], times, listed.get(episode))
            if found is None:
                torn.add(episode)
                continue
            frames[places], what = found
            if what:
                changes[what].add(episode)
            if (np.diff(frames[places]) < 0).any() or len(places) <= places[-1] - places[0]:
                changes[_ORDERED].add(episode)
        own = set(of_file.episodes.tolist())
        if not own.isdisjoint(changes[_ORDERED]):
            of_file.order = np.lexsort((frames, of_file.episodes))
        of_file.is_changed |= any(not own.isdisjoint(episodes) for episodes in changes.values())
        of_file.frames = frames
    return {what: episodes for what, episodes in changes.items() if episodes}, torn


def find_order(
    frames: np.ndarray, times: np.ndarray | None, length: int | None
) -> tuple[np.ndarray, str] | None:
    """Return which frame each row of an episode is, and what was corrected; None for contradictions.

    Frames that do not follow each other are returned as they are. Units: `times` in frames; `length` is the
    listed one.
    """
    count = len(frames)
    ranks = np.argsort(frames, kind="stable")
    first = int(frames.min())
    if (frames == first).all() and count > 1:
        steps = np.empty(0) if times is None else np.diff(times)
        if len(steps) and (np.abs(steps - 1) < _ON_GRID).all() and count == length:
            return np.arange(count), _COUNTED
        return frames, ""
    if not np.array_equal(frames[ranks], np.arange(first, first + count)):
        return frames, ""
    if times is not None and (np.diff(times[ranks]) < _BACK).any():
        return None
    if first and count != length:
        return frames, ""
    return frames - first, _FROM_0 if first else ""


# Writing ----------------------------------------------------------------------------------------


def _write(rows: _Rows, target: Path) -> None:
    """Write a data file with its rows in order and numbered anew; link it where nothing changes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not rows.is_changed:
        target.symlink_to(rows.path.resolve())
        return
    with reading_parquet(rows.path):
        table = pq.read_table(rows.path, partitioning=None)
    try:
        for name, numbers in (("episode_index", rows.episodes), ("frame_index", rows.frames)):
            place = table.schema.get_field_index(name)
            kept = table.schema.field(name)
            table = table.set_column(place, kept, pa.array(numbers).cast(kept.type))
        pq.write_table(table.take(pa.array(rows.order)), target)
    except (pa.ArrowException, OSError) as error:
        raise SourceBroken(
            "rows of a data file cannot be put in order", reason=error, path=rows.path
        ) from error
