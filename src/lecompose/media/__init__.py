"""Video files: probe them, tell where they can be cut, and copy runs of frames into new files.

Works on the tables of mp4 files and decodes nothing, but for what `encode` is asked to encode again and
the `pictures` asked for; FFmpeg (through av) is loaded only for that, and for files that the tables cannot
describe. Knows files
and frames, no datasets.
"""

from lecompose.media.concat import Segment, Written, concat
from lecompose.media.cut import Piece, piece, pieces
from lecompose.media.encode import Encoded, encode
from lecompose.media.encoding import Encoding, encoding
from lecompose.media.fallback import describe
from lecompose.media.pictures import Picture, Shown, picture, pictures, shown, undecodable
from lecompose.media.video import Video, grid, leading, probe

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
