"""Video files: probe them, tell where they can be cut, and copy runs of frames into new files.

Works on the tables of mp4 files and decodes nothing, but for what `encode` is asked to encode again and
the `pictures` asked for; FFmpeg (through av) is loaded only for that, and for files that the tables cannot
describe. Knows files
and frames, no datasets.
"""

from lecompose.files.mp4.concat import Segment, Written, concat
from lecompose.files.mp4.cut import Piece, piece, pieces
from lecompose.files.mp4.decode_pictures import Picture, Shown, picture, pictures, shown, undecodable
from lecompose.files.mp4.encode import Encoded, encode
from lecompose.files.mp4.encoding import Encoding, encoding
from lecompose.files.mp4.ffmpeg import describe
from lecompose.files.mp4.video import Video, grid, leading, probe

__all__ = [
    "Encoded",
    "Encoding",
    "Picture",
    "Piece",
    "Segment",
    "Shown",
    "Video",
    "Written",
    "concat",
    "describe",
    "encode",
    "encoding",
    "grid",
    "leading",
    "picture",
    "pictures",
    "piece",
    "pieces",
    "probe",
    "shown",
    "undecodable",
]
