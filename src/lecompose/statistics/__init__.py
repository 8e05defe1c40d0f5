"""Statistics of what lies in data and video files: numbers of every frame, pictures as LeRobot samples them.

Knows files, rows and frames of one dataset; not which operation made them, nor what becomes of the
statistics.
"""

from lecompose.statistics.bookkeeping_stats import constants, numbering
from lecompose.statistics.feature_stats import Measured
from lecompose.statistics.numeric import numbers, numbers_bytes
from lecompose.statistics.row_groups import DataFile
from lecompose.statistics.visual import Clip, pictures, pictures_bytes

__all__ = [
    "Clip",
    "DataFile",
    "Measured",
    "constants",
    "numbering",
    "numbers",
    "numbers_bytes",
    "pictures",
    "pictures_bytes",
]
