"""What a plan takes that repeats frames far more than it has different ones, told before it is written."""

from dataclasses import dataclass
from pathlib import Path

from lecompose.composition.disk_space import estimate_bytes, format_size
from lecompose.composition.layout import Layout

# Whoever wants an episode twice may want so; a join that multiplies rows does worse.
_MOST = 2


@dataclass(frozen=True, slots=True)
class _Repetition:
    frames: int
    different_frames: int
    most_often: int


def describe_repetition(layout: Layout, at: Path) -> str | None:
    """Return a note on a plan most of whose frames are there already, to be written at a place; else None."""
    (found,) = layout.engine.records("plan/repetition", _Repetition)
    if found.frames <= _MOST * found.different_frames:
        return None
    size_bytes = estimate_bytes(layout, at)
    once = size_bytes * found.different_frames // found.frames
    return (
        f"of the {found.frames:,} frames of this plan only {found.different_frames:,} are different ones, and"
        f" one episode is in it {found.most_often:,} times: it takes about {format_size(size_bytes)}, which"
        f" would be {format_size(once)} without the repetitions"
    )
