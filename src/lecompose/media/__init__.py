"""Video files: probe them, tell where they can be cut, and copy runs of frames into new files.

Works on the tables of mp4 files; nothing is decoded, and FFmpeg (through av) is loaded only for files that
the tables cannot describe. Knows files and frames, no datasets.
"""

from lecompose.media.concat import Segment, Written, concat
from lecompose.media.cut import Piece, piece, pieces
from lecompose.media.fallback import describe
from lecompose.media.video import Video, grid, probe

__all__ = [
    "Piece",
    "Segment",
    "Video",
    "Written",
    "concat",
    "describe",
    "grid",
    "piece",
    "pieces",
    "probe",
]
