"""How a source's frames follow each other in the output: which of them are taken, and at what rate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, reduce
from math import gcd

import numpy as np
import pyarrow as pa

from lecompose.dataset.catalog import Source
from lecompose.errors import few


@dataclass(frozen=True)
class SourceResampling:
    """How a source's frames become the output's: every `stride`-th, timed at `fps` where that is new.

    Units: `fps` and the source's own rate, `src_fps`, in frames a second.
    """

    stride: int
    fps: Fraction | None
    src_fps: Fraction

    def begin_at(self, rows: pa.RecordBatch, from_frames: np.ndarray) -> pa.RecordBatch:
        """Return rows of which each episode is to begin at another frame of its source's.

        That frame may lie before the episode's first, where other frames come first. Times are counted from
        there; those of episodes that begin at 0 stay as they are. Shape: from_frames (rows,).
        """
        if not from_frames.any():
            return rows
        numbers = rows["frame_index"].to_numpy() - from_frames
        rows = _with(rows, "frame_index", numbers)
        times = rows["timestamp"].to_numpy(zero_copy_only=False)
        seconds = (numbers / float(self.src_fps)).astype(times.dtype)
        return _with(rows, "timestamp", np.where(from_frames != 0, seconds, times))

    def apply(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows of the source as the output numbers and times them."""
        if self.stride > 1:
            numbers = rows["frame_index"].to_numpy()
            kept = np.flatnonzero(numbers % self.stride == 0)
            rows = _with(rows.take(pa.array(kept)), "frame_index", numbers[kept] // self.stride)
        if self.fps is not None:
            # As LeRobot's recorder counts: in double, stored as float32.
            seconds = rows["frame_index"].to_numpy() / float(self.fps)
            rows = _with(rows, "timestamp", seconds.astype(np.float32))
        return rows


def _with(rows: pa.RecordBatch, name: str, values: np.ndarray) -> pa.RecordBatch:
    at = rows.schema.get_field_index(name)
    return rows.set_column(at, rows.schema.field(at), pa.array(values))


@dataclass(frozen=True)
class Resampling:
    """The output's rate, and what each source's frames need for it.

    `strides` is of each source how many of its frames make one of the output's; `retimed` are the sources
    whose frames are counted at another rate than they were, none left out.
    Units: fps in frames a second, exact.
    """

    fps: Fraction
    strides: Mapping[str, int]
    retimed: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    src_fps: Mapping[str, Fraction] = field(default_factory=dict)

    @cached_property
    def downsampled(self) -> frozenset[str]:
        """The sources of which frames are left out."""
        return frozenset(source for source, stride in self.strides.items() if stride > 1)

    def of_source(self, source: str) -> SourceResampling:
        """Return how the frames of this source become the output's."""
        fps = self.fps if source in self.retimed else None
        return SourceResampling(self.strides[source], fps, self.src_fps.get(source, self.fps))


def plan_resampling(
    sources: Sequence[Source],
    *,
    fps: Fraction | None,
    retime: Fraction | None,
    off_grid: frozenset[str] = frozenset(),
) -> Resampling:
    """Return how frames are resampled where sources of different rates go together.

    With `fps` each rate must be a whole multiple of it, and the frames between are left out; with `retime`
    all frames are taken, at that rate. Sources that are `off_grid` get new times in any case.
    """
    every = {s.name: 1 for s in sources}
    src_fps = {s.name: s.fps for s in sources}
    if retime is not None:
        others = frozenset(s.name for s in sources if s.fps != retime)
        return Resampling(retime, every, others | off_grid, src_fps=src_fps)
    if fps is None:
        problems = tuple(_differing(sources))
        return Resampling(sources[0].fps, every, off_grid, problems=problems, src_fps=src_fps)
    ratios = {s.name: s.fps / fps for s in sources}
    odd = [s for s in sources if ratios[s.name].denominator != 1]
    strides = {name: max(1, int(ratio)) for name, ratio in ratios.items()}
    return Resampling(
        fps,
        strides,
        off_grid,
        problems=tuple(
            f'fps: {float(s.fps):g} in "{s.name}" is not a whole multiple of {float(fps):g}:'
            f" frames would have to be made up{_way_out(sources)}"
            for s in odd
        ),
        notes=tuple(_note(s, strides[s.name], fps) for s in sources if strides[s.name] > 1),
        src_fps=src_fps,
    )


def _note(source: Source, stride: int, fps: Fraction) -> str:
    again = "; its videos are encoded again" if source.cameras else ""
    return (
        f'source "{source.name}": of every {stride} frames the first is taken,'
        f" {float(source.fps):g} fps to {float(fps):g}{again}"
    )


def _differing(sources: Iterable[Source]) -> Iterable[str]:
    groups: dict[Fraction, list[str]] = {}
    for source in sources:
        groups.setdefault(source.fps, []).append(source.name)
    if len(groups) > 1:
        found = "; ".join(f"{float(fps):g} in {few(names)}" for fps, names in groups.items())
        shared = reduce(_common, groups)
        way_out = f"--fps {float(shared):g}, which leaves frames out" if shared >= 1 else "two outputs"
        yield f"fps: {found}. One dataset has one rate. Try: {way_out}"


def _way_out(sources: Iterable[Source]) -> str:
    shared = reduce(_common, (source.fps for source in sources))
    return f". Try: --fps {float(shared):g}" if shared >= 1 else ""


def _common(one: Fraction, other: Fraction) -> Fraction:
    """Return the highest rate of which both are whole multiples."""
    whole = gcd(one.numerator * other.denominator, other.numerator * one.denominator)
    return Fraction(whole, one.denominator * other.denominator)
