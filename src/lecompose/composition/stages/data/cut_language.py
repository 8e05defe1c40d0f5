"""Cut what was said to the frames of a piece: persistent language, whose rows have times of the episode.

Every frame of an episode has all of it. A piece keeps what is said inside, at times counted from its start,
and of each voice what still holds there: the last row before it. Events stand with their frames, and need
nothing.
"""

import numpy as np
import pyarrow as pa

from lecompose.composition.jobs import EpisodeRows
from lecompose.formats import LANGUAGE_COLUMNS

PERSISTENT = LANGUAGE_COLUMNS[0]
# Who speaks: rows that differ in one of these do not end each other.
_VOICE = ("role", "style", "camera")
# Times are float32.
_SLACK_S = 1e-4


def cut_language(column: pa.Array, episodes: list[EpisodeRows], which: np.ndarray, *, fps: float) -> pa.Array:
    """Return the lists of rows, each cut to the piece that it is a frame of.

    Shape: `which` (rows,), the place of each row's among the episodes. Units: fps in frames a second.
    """
    if pa.types.is_null(column.type.value_type):
        return column
    said = column.flatten()
    times = said.field("timestamp").to_numpy(zero_copy_only=False).astype(np.float64)
    voices = list(zip(*(said.field(name).to_pylist() for name in _VOICE), strict=True))
    lengths = np.diff(column.offsets.to_numpy()) * ~column.is_null().to_numpy(zero_copy_only=False)
    kept, moved, counts = list[int](), list[float](), list[int]()
    at = 0
    for row, length in enumerate(lengths.tolist()):
        episode = episodes[which[row]]
        places = range(at, at + length)
        at += length
        start_s, end_s = episode.from_frame / fps, (episode.from_frame + episode.src_length) / fps
        chosen = places if episode.is_whole else _choose(places, times, voices, start_s, end_s)
        kept += chosen
        moved += [times[n] if episode.is_whole else max(times[n] - start_s, 0.0) for n in chosen]
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
    places: range, times: np.ndarray, voices: list[tuple[object, ...]], start_s: float, end_s: float
) -> list[int]:
    """Return the rows said inside of a piece, behind those that hold at its start."""
    before: dict[tuple[object, ...], int] = {}
    inside = []
    for n in sorted(places, key=times.__getitem__):
        if times[n] < start_s + _SLACK_S:
            before[voices[n]] = n
        elif times[n] < end_s - _SLACK_S:
            inside.append(n)
    return [*sorted(before.values()), *inside]
