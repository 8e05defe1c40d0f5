"""Statistics of what lies in data and video files: numbers of every frame, pictures as LeRobot samples them.

Knows files, rows and frames of one dataset; not which operation made them, nor what becomes of the
statistics.
"""

from lecompose.measure.numbering import constants, numbering
from lecompose.measure.numeric import numbers, numbers_bytes
from lecompose.measure.reading import DataFile
from lecompose.measure.results import Measured
from lecompose.measure.visual import Clip, pictures, pictures_bytes

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
