"""Which statistics an output holds."""

from collections.abc import Mapping
from dataclasses import dataclass

from lecompose.formats import MOMENTS
from lecompose.statistics.relative_action import RelativeAction


@dataclass(frozen=True)
class StatsOptions:
    """Which statistics an output holds, and where they come from.

    `quantiles` by name, as {"q50": 0.5}. Those of episodes are the sources' where they are `carried`, and
    computed where they are not; those of pictures are decoded only for `pictures`, else always carried.
    Those of an action over an output may be `relative` to a state.
    """

    quantiles: Mapping[str, float]
    carried: bool = True
    pictures: bool = False
    relative: RelativeAction | None = None

    @property
    def computed(self) -> tuple[str, ...]:
        """The statistics that are computed from numbers."""
        return (*MOMENTS, *self.quantiles)

    @property
    def names(self) -> tuple[str, ...]:
        """All statistics, in the order in which they are written."""
        return (*MOMENTS, "count", *self.quantiles)
