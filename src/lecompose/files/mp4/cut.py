"""Which samples have to travel so that a range of frames can be decoded, and where they may stand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lecompose.files.mp4.errors import broken
from lecompose.files.mp4.keyframes import Starts
from lecompose.files.mp4.read_sample_tables import Ints
from lecompose.files.mp4.track import Track
from lecompose.files.mp4.video import Video


@dataclass(frozen=True)
class Piece:
    """Facts about frames [from, to) of a video, if they were cut out on their own.

    `lead` and `tail` frames before and after must come along for decoding; `size_bytes` counts neither.
    Pieces of equal `splice_key` may stand in one file; only a `closed` one may stand behind others.
    """

    frames: int
    lead: int
    tail: int
    size_bytes: int
    splice_key: str
    closed: bool


@dataclass(frozen=True)
class Cut:
    """The samples to take for a range: of [first, stop) in decode order, those of rank >= `rank`.

    `key` is the number of the key frame it starts from among all key frames, None when there is none.
    """

    first: int
    stop: int
    rank: int
    lead: int
    tail: int
    key: int | None


def piece(video: Video, from_frame: int, to_frame: int) -> Piece:
    """The facts about frames [from_frame, to_frame). Errors: MediaError when the video lacks some of them."""
    return pieces(video, [(from_frame, to_frame)])[0]


def pieces(video: Video, ranges: Sequence[tuple[int, int]]) -> list[Piece]:
    """The facts about each range of frames, in order. Errors: MediaError naming all impossible ranges."""
    _refuse_outside(video, ranges)
    track = video.track
    starts = starts_of(video)
    ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(_by_rank(track))))
    found = []
    for from_frame, to_frame in ranges:
        made = _cut(track, starts, from_frame, to_frame)
        low, high = track.hidden + from_frame, track.hidden + to_frame
        splice_key, closed = _splice(video, starts, made)
        found.append(
            Piece(
                frames=to_frame - from_frame,
                lead=made.lead,
                tail=made.tail,
                size_bytes=int(ends[high] - ends[low]),
                splice_key=splice_key,
                closed=closed,
            )
        )
    return found


def cut(video: Video, from_frame: int, to_frame: int) -> Cut:
    """The samples that frames [from_frame, to_frame) need. Errors: MediaError when some are not there."""
    _refuse_outside(video, [(from_frame, to_frame)])
    return _cut(video.track, starts_of(video), from_frame, to_frame)


def taken(track: Track, made: Cut) -> Ints:
    """Numbers of the samples of a cut, in decode order."""
    if track.rank is None:
        return np.arange(made.first, made.stop)
    return made.first + np.flatnonzero(track.rank[made.first : made.stop] >= made.rank)


def starts_of(video: Video) -> Starts:
    """The key frames of a video. Errors: MediaError when their heads cannot be read."""
    try:
        return video.track.starts
    except (OSError, ValueError) as error:
        raise broken(f"its key frames cannot be read: {error}", video.path) from error


def _refuse_outside(video: Video, ranges: Sequence[tuple[int, int]]) -> None:
    wrong = [f"[{low}, {high})" for low, high in ranges if not 0 <= low < high <= video.frames]
    if wrong:
        needs = ", ".join(wrong)
        raise broken(f"video has {video.frames} frames, episode needs frames {needs}", video.path)


def _by_rank(track: Track) -> Ints:
    if track.rank is None:
        return track.sizes.astype(np.int64)
    sizes = np.empty(len(track.sizes), np.int64)
    sizes[track.rank] = track.sizes
    return sizes


def _cut(track: Track, starts: Starts, from_frame: int, to_frame: int) -> Cut:
    low, high = track.hidden + from_frame, track.hidden + to_frame
    for key in _candidates(track, low):
        first = int(starts.samples[key])
        rank = first if track.rank is None else int(track.rank[first])
        stop = _stop(track, first, rank, high)
        if stop is not None:
            end = rank + stop[1]
            return Cut(first, stop[0], rank, lead=low - rank, tail=end - high, key=key)
    # No key frame serves: the whole beginning comes along, as decodable as it is in the source.
    stop = _stop(track, 0, 0, high) or (len(track.sizes), len(track.sizes))
    return Cut(0, stop[0], 0, lead=low, tail=stop[1] - high, key=None)


def _candidates(track: Track, low: int) -> Iterator[int]:
    """Key frames to start from for the frame of rank `low`, the nearest first."""
    ranks, keys = track.usable_by_rank
    for place in range(int(np.searchsorted(ranks, low, side="right")) - 1, -1, -1):
        yield int(keys[place])


def _stop(track: Track, first: int, rank: int, high: int) -> tuple[int, int] | None:
    """End of the shortest decode-order run from `first` whose kept ranks are rank … without a hole to `high`.

    Shape: (sample after the run, number of kept samples); None when there is no such run.
    """
    if track.rank is None:
        return high, high - first
    usual = first + 2 * (high - rank) + 64
    for limit in (usual, len(track.sizes)):
        ahead = track.rank[first:limit].astype(np.int64) - rank
        kept = ahead >= 0
        counts = np.cumsum(kept)
        highest = np.maximum.accumulate(ahead) + 1
        full = np.flatnonzero((counts == highest) & (highest >= high - rank))
        if len(full):
            return first + int(full[0]) + 1, int(counts[full[0]])
    return None


def _splice(video: Video, starts: Starts, made: Cut) -> tuple[str, bool]:
    """The splice key of a piece, and whether it may follow others of that key.

    Three families are safe: pieces that never leave the described parameter sets, pieces that bring all
    sets in every key frame, and pieces of one source whose sets come and go ("alone").
    """
    number = entry_number(video, made)
    alone = f"alone:{video.path}" if number == 0 else f"alone:{video.path}#{number}"
    signature = video.track.entries[number].signature.hex()
    if made.key is None or not starts.known:
        return alone, False
    inside = slice(*np.searchsorted(starts.samples, (made.first, made.stop)).tolist())
    closed, brought = bool(starts.closed[made.key]), bool(starts.in_band[made.key])
    if starts.described.all():
        return f"{signature}/stsd", closed
    # Where a source's sets change, its self-contained pieces stay one family, whichever sets they bring.
    if starts.in_band[inside].all():
        return f"{signature}/inband", closed
    if starts.described[inside].all():
        return f"{signature}/stsd", closed
    # It may follow others only if it does not trust that the described sets are still in force.
    return alone, closed and brought


def entry_number(video: Video, made: Cut) -> int:
    """Which sample description a cut uses. Errors: MediaError when it crosses from one to another."""
    numbers = video.track.entry_numbers
    if numbers is None:
        return 0
    used = np.unique(numbers[made.first : made.stop])
    if len(used) > 1:
        raise broken(
            "the video changes its sample description inside the range: re-encode it first", video.path
        )
    return int(used[0])
