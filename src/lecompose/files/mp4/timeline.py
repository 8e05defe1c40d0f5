"""When the frames of a track are shown, in display order, and how far that is from a regular grid."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lecompose.files.mp4.read_sample_tables import Ints

_OFF_GRID_S = 1e-6


@dataclass(frozen=True)
class Timeline:
    """Display times: frame k stands at `start_s` + ticks[k] / scale; no `ticks` means k * step."""

    frames: int
    scale: int
    start_s: Fraction
    step: int
    ticks: Ints | None


def build_timeline(shown: Ints, scale: int, start_s: Fraction, step: int) -> Timeline:
    """Return the timeline of frames shown at the sorted ticks `shown`."""
    ticks = shown - shown[0]
    steps = np.diff(ticks)
    if len(steps) == 0 or (steps[0] > 0 and (steps == steps[0]).all()):
        return Timeline(len(shown), scale, start_s, int(steps[0]) if len(steps) else step, None)
    return Timeline(len(shown), scale, start_s, step, ticks)


def estimate_fps(times: Timeline) -> Fraction:
    """Return the frame rate of the grid below the times, gaps left out; 0 for one frame of no duration."""
    if times.ticks is None:
        return Fraction(times.scale, times.step) if times.step > 0 else Fraction(0)
    span = int(times.ticks[-1])
    slots = int(_count_slots(times.ticks).sum())
    if span <= 0 or slots <= 0:
        return Fraction(0)
    return _snap_to_usual(Fraction(slots * times.scale, span), span)


def _count_slots(ticks: Ints) -> Ints:
    """Return the grid steps between neighbouring frames: 1 unless frames are missing."""
    steps = np.diff(ticks)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    return np.rint(steps / usual).astype(np.int64)


def _snap_to_usual(measured: Fraction, span: int) -> Fraction:
    """Return the usual rate that fits a span rounded to whole ticks at both ends, else the measured one."""
    whole = Fraction(max(1, round(measured)))
    broadcast = max(1, round(measured * Fraction(1001, 1000))) * Fraction(1000, 1001)
    slack = measured * Fraction(3, 2 * span)
    near = min((whole, broadcast), key=lambda usual: abs(usual - measured))
    return near if abs(near - measured) <= slack else measured.limit_denominator(1001)


def measure_deviation_s(times: Timeline, fps: Fraction, *, start_s: Fraction | None = None) -> float:
    """Return the largest distance of a frame from k / fps; `start_s` overrides where frame 0 stands.

    Units: seconds, exact before the one rounding to float.
    """
    start = times.start_s if start_s is None else start_s
    if times.frames == 0:
        return 0.0
    if times.ticks is None:
        ends = (start, start + (times.frames - 1) * (Fraction(times.step, times.scale) - 1 / fps))
        return float(max(abs(end) for end in ends))
    # (tick / scale - k / fps) over the common denominator scale * n, in whole numbers while they fit.
    number = np.arange(times.frames)
    wide = times.frames * times.scale * fps.denominator + int(times.ticks[-1]) * fps.numerator < 1 << 62
    kind = np.int64 if wide else np.float64
    off = times.ticks.astype(kind) * fps.numerator - number.astype(kind) * (fps.denominator * times.scale)
    unit = Fraction(1, times.scale * fps.numerator)
    return float(max(abs(start + int(off.min()) * unit), abs(start + int(off.max()) * unit)))


def list_timing_warnings(times: Timeline) -> list[str]:
    """Return warnings about missing frames, uneven times and a late start."""
    found = []
    if abs(times.start_s) > _OFF_GRID_S:
        found.append(f"the first frame stands at {float(times.start_s):.3f} s, not at 0: will be re-stamped")
    if times.ticks is None:
        return found
    slots = _count_slots(times.ticks)
    missing = int(slots.sum()) - (times.frames - 1)
    if missing > 0:
        worst = int(slots.argmax())
        gap = np.diff(times.ticks)[worst] * float(estimate_fps(times)) / times.scale
        found.append(
            f"{missing} frame(s) missing: a gap of {gap:.1f} frames after frame {worst}; "
            f"video has {times.frames} frames"
        )
        return found
    fps = estimate_fps(times)
    off = measure_deviation_s(times, fps, start_s=Fraction(0)) if fps else 0.0
    if off > _OFF_GRID_S:
        found.append(f"timestamps off the frame grid by up to {off * 1e3:.3f} ms: will be re-stamped")
    return found
