"""Video files as they are stored: read their tables, copy runs of frames into new files, encode again.

Works on the tables of mp4 files and decodes nothing, except where `encode` encodes frames again or somebody
asks for pictures; FFmpeg (through av) is loaded for that only, and for files that the tables cannot describe.
Knows files and frames, no datasets. No library moves frames between mp4 files byte by byte and puts each on
an exact time grid; that is why the tables are read and written here.

A good order to read it in:

    boxes               what an mp4 consists of
    file_outline        the boxes of one file, and what stands in its place
    read_sample_tables  sizes, places, times and keyframes of samples; nal_units, sample_description beside it
    track, video        one file as a value: `probe`
    keyframes, choose_samples    where frames can be cut out, and what has to come along: `probe_clip`
    splice              where packets can be copied behind frames that are encoded again
    write_sample_tables, kernel_copy, concat_segments    a new file from runs of frames: `concat`
    ffmpeg, encoder_settings, encode_segment, head_settings, decode_pictures    whatever needs a decoder
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lecompose.files.mp4.choose_samples import ClipFacts, probe_clip, probe_clips
    from lecompose.files.mp4.concat_segments import Segment, WrittenVideo, concat, may_link
    from lecompose.files.mp4.decode_pictures import (
        DisplayTimes,
        Picture,
        decode_frames,
        decode_picture,
        find_undecodable_frames,
        read_display_times,
    )
    from lecompose.files.mp4.encode_segment import EncodedVideo, encode, open_encoded
    from lecompose.files.mp4.encoder_settings import Encoding, choose_encoding
    from lecompose.files.mp4.ffmpeg import describe
    from lecompose.files.mp4.head_settings import HeadSettings
    from lecompose.files.mp4.splice import Splice, find_nearest_start, find_splice, find_splices, list_starts
    from lecompose.files.mp4.video import (
        Video,
        count_samples,
        measure_grid_deviation_s,
        probe,
        probe_truncated,
    )

__all__ = [
    "ClipFacts",
    "DisplayTimes",
    "EncodedVideo",
    "Encoding",
    "HeadSettings",
    "Picture",
    "Segment",
    "Splice",
    "Video",
    "WrittenVideo",
    "choose_encoding",
    "concat",
    "count_samples",
    "decode_frames",
    "decode_picture",
    "describe",
    "encode",
    "find_nearest_start",
    "find_splice",
    "find_splices",
    "find_undecodable_frames",
    "list_starts",
    "may_link",
    "measure_grid_deviation_s",
    "open_encoded",
    "probe",
    "probe_clip",
    "probe_clips",
    "probe_truncated",
    "read_display_times",
]

# Where names are made. Each module loads at its first use: `probe` needs little of what `encode` does.
_PLACES = {
    "concat_segments": (
        "Segment",
        "WrittenVideo",
        "concat",
        "may_link",
    ),
    "choose_samples": (
        "ClipFacts",
        "probe_clip",
        "probe_clips",
    ),
    "decode_pictures": (
        "DisplayTimes",
        "Picture",
        "decode_frames",
        "decode_picture",
        "find_undecodable_frames",
        "read_display_times",
    ),
    "encode_segment": (
        "EncodedVideo",
        "encode",
        "open_encoded",
    ),
    "encoder_settings": (
        "Encoding",
        "choose_encoding",
    ),
    "ffmpeg": ("describe",),
    "head_settings": ("HeadSettings",),
    "splice": (
        "Splice",
        "find_nearest_start",
        "find_splice",
        "find_splices",
        "list_starts",
    ),
    "video": (
        "Video",
        "count_samples",
        "measure_grid_deviation_s",
        "probe",
        "probe_truncated",
    ),
}


def __getattr__(name: str) -> Any:
    for place, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"lecompose.files.mp4.{place}"), name)
    raise AttributeError(f"module 'lecompose.files.mp4' has no attribute {name!r}")
