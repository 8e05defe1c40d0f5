"""Statistics of what lies in data and video files: numbers of every frame, pictures as LeRobot samples them.

Knows files, rows and frames of one dataset; not which operation made them, nor what becomes of the
statistics.
"""

from lecompose.statistics.bookkeeping_stats import (
    measure_bookkeeping,
    measure_constants,
    measure_timestamps,
)
from lecompose.statistics.feature_stats import FeatureStats
from lecompose.statistics.measure_vectors import estimate_numbers_bytes, measure_numbers
from lecompose.statistics.row_groups import FileRows
from lecompose.statistics.visual import (
    SampledClip,
    SeenClips,
    can_be_counted,
    estimate_pictures_bytes,
    look_at_clips,
    measure_pictures,
    read_seen_clips,
)

__all__ = [
    "FeatureStats",
    "FileRows",
    "SampledClip",
    "SeenClips",
    "can_be_counted",
    "estimate_numbers_bytes",
    "estimate_pictures_bytes",
    "look_at_clips",
    "measure_bookkeeping",
    "measure_constants",
    "measure_numbers",
    "measure_pictures",
    "measure_timestamps",
    "read_seen_clips",
]
