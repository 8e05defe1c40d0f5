"""The job that measures the pictures of one camera in one file of an output; others reduce what is seen."""

from collections.abc import Mapping
from dataclasses import dataclass

from lecompose.formats import Feature


@dataclass(frozen=True, slots=True)
class FrameRange:
    """The frames [from_frame, to_frame) of a video file, or rows of a data file."""

    from_frame: int
    to_frame: int


@dataclass(frozen=True)
class MeasurePicturesJob:
    """Look at the pictures of a camera in one file of an output, once that is written.

    `measured` is the file, relative to the output's folder; `episodes` are where they lie in it, in their
    order. Units: `size_bytes` those that are copied into the file.
    """

    out_dataset: str
    measured: str
    camera: Feature
    episodes: tuple[FrameRange, ...]
    quantiles: Mapping[str, float]
    size_bytes: int
