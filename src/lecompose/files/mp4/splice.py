"""Find where packets can be copied behind frames that are encoded again, in one track.

A decoder comes from encoded frames there: nothing may be left of its state but what the sample description
says. AV1 brings its sequence header in the keyframe; H.264 and HEVC keep to the described parameter sets.
An H.264 recovery point or a CRA picture of HEVC lets a decoder refer to older pictures, so they never serve.
"""

import os
from dataclasses import dataclass

import numpy as np

from lecompose.files.mp4.cut import choose_samples, load_keyframes, probe_clip
from lecompose.files.mp4.keyframes import Flags
from lecompose.files.mp4.nal_units import read_begins
from lecompose.files.mp4.read_sample_tables import Ints
from lecompose.files.mp4.video import Video

# What else re-encodes its head is not known to decode everywhere (measured for these only).
_CODECS = ("av1", "h264", "hevc")
_AV1_SEQUENCE_HEADER, _AV1_TEMPORAL_DELIMITER = 1, 2


@dataclass(frozen=True)
class Splice:
    """The packets of a piece can be copied from `frame` on; what is there has this compat key."""

    frame: int
    compat_key: str


def find_splice(video: Video, from_frame: int, to_frame: int) -> Splice | None:
    """Return from where in the frames [from_frame, to_frame) packets can be copied behind encoded frames.

    None if there is no such place behind the first frame. Raises MediaError if frames are missing.
    """
    if video.codec not in _CODECS or video.track.description_numbers is not None:
        return None
    if video.codec == "hevc" and video.track.rank is not None:
        return None  # not every reader finds pictures of reordered HEVC (measured: torchcodec)
    track, starts = video.track, load_keyframes(video)
    serves = starts.closed & starts.described & starts.usable() & _bring_headers(video)
    if not serves.any():
        return None
    ranks, keys = track.usable_by_rank
    low, high = np.searchsorted(ranks, (track.hidden + from_frame + 1, track.hidden + to_frame)).tolist()
    for place in range(low, high):
        frame = int(ranks[place]) - track.hidden
        if serves[keys[place]] and choose_samples(video, frame, to_frame).preroll == 0:
            found = probe_clip(video, frame, to_frame)
            # Other families bring their sets in band, which the encoded frames in front of them do not.
            return Splice(frame, found.compat_key) if found.compat_key.endswith("/stsd") else None
    return None


def list_starts(video: Video) -> Ints:
    """Return the frames, ascending, from which packets can be copied with nothing before them."""
    track, starts = video.track, load_keyframes(video)
    ranks, keys = track.usable_by_rank
    frames: Ints = ranks[(starts.closed & starts.described)[keys]] - track.hidden
    return frames[(frames >= 0) & (frames < video.frames)]


def _bring_headers(video: Video) -> Flags:
    """Return which keyframes bring what encoded frames before them may change: of AV1 all or none.

    Source: AV1 Bitstream §5.3 (OBU header), §5.6 (temporal delimiter); AV1 in ISOBMFF §2.4 (sync samples).
    """
    starts, track = load_keyframes(video), video.track
    if video.codec != "av1":
        return np.ones(len(starts.samples), np.bool_)
    fd = os.open(track.path, os.O_RDONLY)
    try:
        begins = read_begins(fd, track.offsets()[starts.samples], 3)
    finally:
        os.close(fd)
    kinds = begins >> 3 & 0xF
    behind = (kinds[:, 0] == _AV1_TEMPORAL_DELIMITER) & (begins[:, 1] == 0)
    found = np.where(behind, kinds[:, 2], kinds[:, 0]) == _AV1_SEQUENCE_HEADER
    return np.full(len(found), bool(found.all()))
