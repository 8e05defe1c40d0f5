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
    keyframes, cut      where frames can be cut out, and what has to come along: `probe_clip`
    write_sample_tables, kernel_copy, concat    a new file from runs of frames: `concat`
    ffmpeg, encoder_settings, encode, decode_pictures    whatever needs a decoder
"""

from lecompose.files.mp4.concat import Segment, WrittenVideo, concat
from lecompose.files.mp4.cut import ClipFacts, probe_clip, probe_clips
from lecompose.files.mp4.decode_pictures import (
    DisplayTimes,
    Picture,
    decode_frames,
    decode_picture,
    find_undecodable_frames,
    read_display_times,
)
from lecompose.files.mp4.encode import EncodedVideo, encode
from lecompose.files.mp4.encoder_settings import Encoding, choose_encoding
from lecompose.files.mp4.ffmpeg import describe
from lecompose.files.mp4.video import Video, measure_grid_deviation_s, probe, probe_truncated

__all__ = [
    "ClipFacts",
    "DisplayTimes",
    "EncodedVideo",
    "Encoding",
    "Picture",
    "Segment",
    "Video",
    "WrittenVideo",
    "choose_encoding",
    "concat",
    "decode_frames",
    "decode_picture",
    "describe",
    "encode",
    "find_undecodable_frames",
    "measure_grid_deviation_s",
    "probe",
    "probe_clip",
    "probe_clips",
    "probe_truncated",
    "read_display_times",
]
