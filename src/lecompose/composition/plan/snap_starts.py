"""Move the starts of picked pieces to frames from which the packets of all cameras can be copied."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa

from lecompose.dataset.catalog import Catalog
from lecompose.errors import count_of
from lecompose.files import mp4

_COLUMNS = ("src_dataset", "src_episode", "from_frame", "to_frame", "out_dataset", "sort_key")


@dataclass(frozen=True, slots=True)
class _Clip:
    """The video of a camera of an episode, and the frame at which the episode begins in it."""

    src_dataset: str
    src_episode: int
    video_file: str
    from_frame: int


@dataclass
class _Piece:
    """A picked piece, and where it began before anything moved."""

    src_dataset: str
    src_episode: int
    from_frame: int
    to_frame: int
    out_dataset: str
    sort_key: str
    wanted: int = field(init=False)

    def __post_init__(self) -> None:
        self.wanted = self.from_frame

    @property
    def episode(self) -> tuple[str, str, int]:
        return self.out_dataset, self.src_dataset, self.src_episode


def snap_starts(catalog: Catalog) -> tuple[str, ...]:
    """Move each start in the relation `picks` to the nearest such frame of its episode; return notes.

    A piece that ended where the next one began still does, and is one with it where no such frame lies
    between. No start moves into a piece before it that it did not overlap.

    Raises:
        MediaError: if a video cannot be read.
    """
    picks = catalog.engine.read("picks", _COLUMNS)
    pieces = [_Piece(**row) for row in picks.to_pylist()]
    pieces.sort(key=lambda piece: (*piece.episode, piece.from_frame, piece.to_frame, piece.sort_key))
    starts = _list_starts(catalog)
    kept: list[_Piece] = []
    for (_, source, number), group in groupby(pieces, key=lambda piece: piece.episode):
        kept += _snap_episode(list(group), starts.get((source, number), []))
    catalog.engine.drop("picks")
    rows = [{name: getattr(piece, name) for name in _COLUMNS} for piece in kept]
    catalog.engine.load("picks", pa.Table.from_pylist(rows, schema=picks.schema))
    return tuple(_describe(kept, joined=len(pieces) - len(kept)))


Starts = list[tuple[np.ndarray, int]]
"""Of each camera the frames of its video from which it can be copied, and where an episode begins in it."""


def _list_starts(catalog: Catalog) -> dict[tuple[str, int], Starts]:
    """Return where the videos of each picked episode can be copied from."""
    found: dict[tuple[str, int], Starts] = {}
    of_files: dict[str, np.ndarray] = {}
    for clip in catalog.engine.records("plan/clips_of_pieces", _Clip):
        if clip.video_file not in of_files:
            video = mp4.probe(Path(clip.video_file), scratch=catalog.engine.scratch)
            of_files[clip.video_file] = mp4.list_starts(video)
        own = (of_files[clip.video_file], clip.from_frame)
        found.setdefault((clip.src_dataset, clip.src_episode), []).append(own)
    return found


def _snap_episode(pieces: list[_Piece], starts: Starts) -> list[_Piece]:
    """Return the pieces of an episode, in the order of their frames, with other starts; some are joined."""
    kept: list[_Piece] = []
    end = 0
    for piece in pieces:
        before = kept[-1] if kept and piece.wanted >= end else None
        goes_on = before is not None and piece.wanted == end
        at_least = 0 if before is None else before.from_frame + 1 if goes_on else end
        moved = _find_start(piece, starts, at_least)
        end = piece.to_frame
        if before is not None and goes_on and moved is None:
            before.to_frame = piece.to_frame
            continue
        if moved is not None:
            if before is not None and goes_on:
                before.to_frame = moved
            piece.from_frame = moved
        kept.append(piece)
    return kept


def _find_start(piece: _Piece, starts: Starts, at_least: int) -> int | None:
    """Return where a piece begins; None where it could begin nowhere."""
    if not piece.wanted or not starts:
        return piece.wanted
    return mp4.find_nearest_start(starts, piece.wanted, piece.to_frame, at_least=at_least)


def _describe(pieces: list[_Piece], *, joined: int) -> Iterator[str]:
    """Yield notes on starts that moved, and on pieces that are joined."""
    moved = sum(piece.from_frame != piece.wanted for piece in pieces)
    if moved:
        yield f"{count_of(moved, 'start')} moved to the nearest frame from which videos can be copied"
    if joined:
        which = count_of(joined, "piece is", "pieces are")
        yield f"{which} one with the piece before: no such frame lies between their starts"
