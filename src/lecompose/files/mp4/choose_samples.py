"""Choose the samples that a range of frames needs to be decodable, and tell which ranges may share a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lecompose.files.mp4.errors import media_error
from lecompose.files.mp4.keyframes import Keyframes
from lecompose.files.mp4.read_sample_tables import Ints
from lecompose.files.mp4.track import Track
from lecompose.files.mp4.video import Video


@dataclass(frozen=True)
class ClipFacts:
    """Facts about frames [from, to) of a video, if they were cut out on their own.

    The `preroll` frames before and `postroll` frames after them must come along to be decoded; `size_bytes`
    counts neither. Clips of equal `compat_key` may share a file; only `closed_gop` ones may follow others.
    """

    frames: int
    preroll: int
    postroll: int
    size_bytes: int
    compat_key: str
    closed_gop: bool


@dataclass(frozen=True)
class SampleRange:
    """The samples to take for a range: of [first, stop) in decode order, those of rank >= `rank`.

    `key` is the number of the keyframe that it starts from among all keyframes, None if there is none.
    """

    first: int
    stop: int
    rank: int
    preroll: int
    postroll: int
    key: int | None


def probe_clip(video: Video, from_frame: int, to_frame: int) -> ClipFacts:
    """Return the facts about frames [from_frame, to_frame). Raises MediaError if some are missing."""
    return probe_clips(video, [(from_frame, to_frame)])[0]


def probe_clips(video: Video, ranges: Sequence[tuple[int, int]]) -> list[ClipFacts]:
    """Return the facts about each range of frames. Raises MediaError that names all impossible ranges."""
    _refuse_outside(video, ranges)
    track = video.track
    starts = load_keyframes(video)
    ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(_sort_sizes_by_rank(track))))
    found = []
    for from_frame, to_frame in ranges:
        made = _choose_samples(track, starts, from_frame, to_frame)
        low, high = track.hidden + from_frame, track.hidden + to_frame
        compat_key, closed = _find_compatibility(video, starts, made)
        found.append(
            ClipFacts(
                frames=to_frame - from_frame,
                preroll=made.preroll,
                postroll=made.postroll,
                size_bytes=int(ends[high] - ends[low]),
                compat_key=compat_key,
                closed_gop=closed,
            )
        )
    return found


def choose_samples(video: Video, from_frame: int, to_frame: int) -> SampleRange:
    """Return the samples that frames [from_frame, to_frame) need. Raises MediaError if some are missing."""
    _refuse_outside(video, [(from_frame, to_frame)])
    return _choose_samples(video.track, load_keyframes(video), from_frame, to_frame)


def list_samples(track: Track, made: SampleRange) -> Ints:
    """Return the numbers of the samples of a range, in decode order."""
    if track.rank is None:
        return np.arange(made.first, made.stop)
    return made.first + np.flatnonzero(track.rank[made.first : made.stop] >= made.rank)


def load_keyframes(video: Video) -> Keyframes:
    """Return the keyframes of a video. Raises MediaError if their heads cannot be read."""
    try:
        return video.track.keyframes
    except (OSError, ValueError) as error:
        raise media_error(f"its keyframes cannot be read: {error}", video.path) from error


def _refuse_outside(video: Video, ranges: Sequence[tuple[int, int]]) -> None:
    wrong = [f"[{low}, {high})" for low, high in ranges if not 0 <= low < high <= video.frames]
    if wrong:
        needs = ", ".join(wrong)
        raise media_error(f"video has {video.frames} frames, episode needs frames {needs}", video.path)


def _sort_sizes_by_rank(track: Track) -> Ints:
    if track.rank is None:
        return track.sizes.astype(np.int64)
    sizes = np.empty(len(track.sizes), np.int64)
    sizes[track.rank] = track.sizes
    return sizes


def _choose_samples(track: Track, starts: Keyframes, from_frame: int, to_frame: int) -> SampleRange:
    low, high = track.hidden + from_frame, track.hidden + to_frame
    for key in _walk_candidates(track, low):
        first = int(starts.samples[key])
        rank = first if track.rank is None else int(track.rank[first])
        stop = _find_stop(track, first, rank, high)
        if stop is not None:
            end = rank + stop[1]
            return SampleRange(first, stop[0], rank, preroll=low - rank, postroll=end - high, key=key)
    # No keyframe serves: the whole beginning comes along, as decodable as it is in the source.
    stop = _find_stop(track, 0, 0, high) or (len(track.sizes), len(track.sizes))
    return SampleRange(0, stop[0], 0, preroll=low, postroll=stop[1] - high, key=None)


def _walk_candidates(track: Track, low: int) -> Iterator[int]:
    """Yield keyframes to start from for the frame of rank `low`, the nearest first."""
    ranks, keys = track.usable_by_rank
    for place in range(int(np.searchsorted(ranks, low, side="right")) - 1, -1, -1):
        yield int(keys[place])


def _find_stop(track: Track, first: int, rank: int, high: int) -> tuple[int, int] | None:
    """Return the end of the shortest run from `first` whose kept ranks are rank … `high` without a hole.

    Shape: (sample after the run in decode order, number of kept samples); None if there is no such run.
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


def _find_compatibility(video: Video, starts: Keyframes, made: SampleRange) -> tuple[str, bool]:
    """Return the compat key of a range, and whether it may follow others of that key.

    Three families are safe: ranges that never leave the described parameter sets, ranges that bring all
    sets in every keyframe, and ranges of one source whose sets come and go ("alone").
    """
    number = find_description_number(video, made)
    alone = f"alone:{video.path}" if number == 0 else f"alone:{video.path}#{number}"
    signature = video.track.descriptions[number].signature.hex()
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


def find_description_number(video: Video, made: SampleRange) -> int:
    """Return which sample description a range uses. Raises MediaError if it uses more than one."""
    numbers = video.track.description_numbers
    if numbers is None:
        return 0
    used = np.unique(numbers[made.first : made.stop])
    if len(used) > 1:
        raise media_error(
            "the video changes its sample description inside the range: re-encode it first", video.path
        )
    return int(used[0])
