"""Find where packets can be copied behind frames that are encoded again, in one track.

A decoder comes from encoded frames there: nothing may be left of its state but what the sample description
says. AV1 brings its sequence header in the keyframe; H.264 and HEVC keep to the described parameter sets.
An H.264 recovery point or a CRA picture of HEVC lets a decoder refer to older pictures, so they never serve.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lecompose.files.mp4.choose_samples import choose_samples, load_keyframes, probe_clip
from lecompose.files.mp4.nal_units import read_begins
from lecompose.files.mp4.read_sample_tables import Ints
from lecompose.files.mp4.video import Video

# What else re-encodes its head is not known to decode everywhere (measured for these only).
_CODECS = ("av1", "h264", "hevc")
_AV1_SEQUENCE_HEADER, _AV1_TEMPORAL_DELIMITER = 1, 2


@dataclass(frozen=True)
class Splice:
    """The packets of a piece can be copied from `frame` on, behind encoded frames; none if that is its end.

    What may follow there has this compat key.
    """

    frame: int
    compat_key: str


def find_splice(video: Video, from_frame: int, to_frame: int) -> Splice | None:
    """Return from where the packets of a piece can be copied. Raises MediaError if frames are missing."""
    return find_splices(video, [(from_frame, to_frame)])[0]


def find_splices(video: Video, ranges: Sequence[tuple[int, int]]) -> list[Splice | None]:
    """Return from where behind the first of each range of frames packets can be copied.

    None where frames that are encoded again cannot be in one file with any of the video's packets. Raises
    MediaError if frames are missing.
    """
    if video.codec not in _CODECS or len(video.track.descriptions) > 1:
        return [None] * len(ranges)
    if video.codec == "hevc" and video.track.rank is not None:
        # Not every reader finds pictures of reordered HEVC (measured: torchcodec).
        return [None] * len(ranges)
    if video.codec == "av1" and not _bring_headers(video):
        return [None] * len(ranges)
    starts = list_starts(video)
    return [_find(video, starts, *each) for each in ranges]


def _find(video: Video, starts: Ints, from_frame: int, to_frame: int) -> Splice | None:
    frame = to_frame
    for start in starts[np.searchsorted(starts, from_frame + 1) :].tolist():
        if start >= to_frame:
            break
        if choose_samples(video, start, to_frame).preroll == 0:
            frame = start
            break
    if frame == to_frame and _has_keyframe(video, from_frame, to_frame):
        return None  # open ones: too long a piece to be encoded without keyframes
    compat_key = probe_clip(video, frame if frame < to_frame else from_frame, to_frame).compat_key
    # Other families bring their sets in band, which the encoded frames in front of them do not.
    return Splice(frame, compat_key) if compat_key.endswith("/stsd") else None


def _has_keyframe(video: Video, from_frame: int, to_frame: int) -> bool:
    ranks = video.track.ranks()[load_keyframes(video).samples] - video.track.hidden
    return bool(((ranks > from_frame) & (ranks < to_frame)).any())


def list_starts(video: Video) -> Ints:
    """Return the frames, ascending, from which packets can be copied with nothing before them."""
    track, starts = video.track, load_keyframes(video)
    ranks, keys = track.usable_by_rank
    frames: Ints = ranks[(starts.closed & starts.described)[keys]] - track.hidden
    return frames[(frames >= 0) & (frames < video.frames)]


def find_nearest_start(
    clips: Sequence[tuple[Ints, int]], frame: int, to_frame: int, *, at_least: int = 0
) -> int | None:
    """Return the frame before `to_frame`, nearest to `frame`, from which all cameras' packets can be copied.

    `clips` are the starts in each camera's video (`list_starts`), and the frame at which the episode begins
    in it: what is returned counts from there. Of two that are as near it is the earlier one; None if there is
    none.
    """
    common = np.arange(at_least, to_frame)
    for starts, first in clips:
        common = np.intersect1d(common, starts[(starts >= first) & (starts < first + to_frame)] - first)
    if len(common) == 0:
        return None
    return int(common[np.argmin(np.abs(common - frame))])


def _bring_headers(video: Video) -> bool:
    """Return whether every keyframe of an AV1 video brings its own sequence header.

    Source: AV1 Bitstream §5.3 (OBU header), §5.6 (temporal delimiter); AV1 in ISOBMFF §2.4 (sync samples).
    """
    starts, track = load_keyframes(video), video.track
    fd = os.open(track.path, os.O_RDONLY)
    try:
        begins = read_begins(fd, track.offsets()[starts.samples], 3)
    finally:
        os.close(fd)
    kinds = begins >> 3 & 0xF
    behind = (kinds[:, 0] == _AV1_TEMPORAL_DELIMITER) & (begins[:, 1] == 0)
    found = np.where(behind, kinds[:, 2], kinds[:, 0])
    return bool((found == _AV1_SEQUENCE_HEADER).all())
