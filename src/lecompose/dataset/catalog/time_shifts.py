"""Timestamps that are right but for where they begin: in epoch seconds, by a session's clock, a step late."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from lecompose import formats
from lecompose.dataset.catalog.data_files import needs_union_by_name
from lecompose.engine import Engine


@dataclass(frozen=True)
class TimeShift:
    """How much later than frame_index / fps an episode's timestamps are, by `spread_s` more or less."""

    src_episode: int
    shift_s: float | None
    spread_s: float | None

    @property
    def is_even(self) -> bool:
        """Whether every frame is as much later as the first: the rate is that of info.json."""
        if self.shift_s is None or self.spread_s is None or not math.isfinite(self.shift_s):
            return False
        return self.spread_s < formats.TOLERANCE_S


def find_time_shifts(engine: Engine, files: Sequence[str], fps: Fraction) -> list[TimeShift]:
    """Return the shift of each episode in the data files of one source.

    Raises:
        SourceBroken: where they cannot be read.
    """
    globs = [formats.escaped_glob(path) for path in files]
    by_name = needs_union_by_name(list(files))
    return engine.records("catalog/time_shifts", TimeShift, globs=globs, by_name=by_name, fps=float(fps))
