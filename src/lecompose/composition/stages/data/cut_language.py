"""Cut what was said to the frames of pieces: persistent language, whose rows have times of the episode.

Every frame of an episode has all of it. A piece keeps what is said inside, at times counted from its start,
and of each voice what still holds there: the last row before it. An episode of several pieces has what all
of them keep; what holds on from one to the next is there once. Events stand with their frames, and need
nothing.
"""

from itertools import groupby

import numpy as np
import pyarrow as pa

from lecompose.composition.jobs import EpisodeRows
from lecompose.composition.resampling import SourceResampling
from lecompose.formats import LANGUAGE_COLUMNS

PERSISTENT = LANGUAGE_COLUMNS[0]
# Who speaks: rows that differ in one of these do not end each other.
_VOICE = ("role", "style", "camera")
# Times are float32.
_SLACK_S = 1e-4


def cut_language(
    column: pa.Array, episodes: list[EpisodeRows], which: np.ndarray, *, resampling: SourceResampling
) -> pa.Array:
    """Return the lists of rows, each cut to the output's episode that it is a frame of.

    Shape: `which` (rows,), the place of each row's among the episodes, of which some are pieces of one.
    """
    if pa.types.is_null(column.type.value_type):
        return column
    said = column.flatten()
    times = said.field("timestamp").to_numpy(zero_copy_only=False).astype(np.float64)
    voices = list(zip(*(said.field(name).to_pylist() for name in _VOICE), strict=True))
    lengths = np.diff(column.offsets.to_numpy()) * ~column.is_null().to_numpy(zero_copy_only=False)
    groups = [list(pieces) for _, pieces in groupby(episodes, key=lambda piece: piece.out_episode)]
    pieces_of = [pieces for pieces in groups for _ in pieces]
    kept, moved, counts = list[int](), list[float](), list[int]()
    at = 0
    for row, length in enumerate(lengths.tolist()):
        pieces = pieces_of[which[row]]
        places = range(at, at + length)
        at += length
        if len(pieces) == 1 and pieces[0].is_whole:
            chosen = [(n, times[n]) for n in places]
        else:
            chosen = _choose(places, times, voices, pieces, resampling)
        kept += [n for n, _ in chosen]
        moved += [time for _, time in chosen]
        counts.append(len(chosen))
    rows = said.take(pa.array(kept, pa.int64()))
    fields = list(rows.type)
    parts = [
        pa.array(moved, f.type) if f.name == "timestamp" else rows.field(n) for n, f in enumerate(fields)
    ]
    lists = pa.StructArray.from_arrays(parts, fields=fields)
    offsets = pa.array(np.cumsum([0, *counts]), pa.int32())
    return pa.ListArray.from_arrays(offsets, lists, type=column.type, mask=column.is_null())


def _choose(
    places: range,
    times: np.ndarray,
    voices: list[tuple[object, ...]],
    pieces: list[EpisodeRows],
    resampling: SourceResampling,
) -> list[tuple[int, float]]:
    """Return the rows said inside of pieces and those that hold where each starts, with their new times."""
    fps = float(resampling.src_fps)
    found: list[tuple[int, float]] = []
    holding: dict[tuple[object, ...], int] = {}
    for piece in pieces:
        start_s, end_s = piece.from_frame / fps, (piece.from_frame + piece.src_length) / fps
        at_s = piece.at * resampling.stride / fps
        before, inside = _part(places, times, voices, start_s, end_s)
        found += [(n, at_s) for n in before if holding.get(voices[n]) != n]
        found += [(n, times[n] - start_s + at_s) for n in inside]
        holding |= {voices[n]: n for n in (*before, *inside)}
    return found


def _part(
    places: range, times: np.ndarray, voices: list[tuple[object, ...]], start_s: float, end_s: float
) -> tuple[list[int], list[int]]:
    """Return the rows that hold at the start of a piece, and those said inside of it."""
    before: dict[tuple[object, ...], int] = {}
    inside = []
    for n in sorted(places, key=times.__getitem__):
        if times[n] < start_s + _SLACK_S:
            before[voices[n]] = n
        elif times[n] < end_s - _SLACK_S:
            inside.append(n)
    return sorted(before.values()), inside
