"""The statistics of one feature, over a dataset and its episodes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lecompose.statistics.summarise_numbers import Statistics


@dataclass(frozen=True)
class FeatureStats:
    """A feature's statistics over a dataset, and over each of its episodes where those were asked for.

    `counts` are the frames of each episode that have a value; None where all of them do.
    `of_episodes` says which episodes they are where not all were looked at.
    Shape: `whole` (dimensions,) each, count (1,); `episodes` (episodes, dimensions) each, in the order of the
    files given.
    """

    whole: Statistics
    episodes: Statistics | None
    counts: Sequence[int] | None = None
    of_episodes: np.ndarray | None = None

    @property
    def by_episode(self) -> bool:
        """Whether there is anything about each episode."""
        return self.episodes is not None or self.counts is not None

    @property
    def has_value(self) -> bool:
        """Whether any frame has a value: without one there are no statistics."""
        return bool(self.whole["count"][0])

    @property
    def is_finite(self) -> bool:
        """Whether all statistics are numbers, where there are any."""
        return not self.has_value or all(np.isfinite(values).all() for values in self.whole.values())

    def as_json(self, names: Iterable[str], *, nested: bool) -> dict[str, Any]:
        """Return the statistics as stats.json has them; of pictures `nested`, as (channels, 1, 1)."""
        said = {name: self.whole[name].tolist() for name in names if name in self.whole}
        deep = {name: [[[x]] for x in values] for name, values in said.items() if nested}
        return said | deep | {"count": [int(said["count"][0])]}


def join_dimensions(parts: Sequence[FeatureStats], lengths: Sequence[int]) -> FeatureStats:
    """Return the statistics of a feature whose dimensions were measured in parts.

    `lengths` are those of the episodes.
    """
    counts = parts[0].counts  # a frame has all dimensions or none
    whole = {s: np.concatenate([p.whole[s] for p in parts]) for s in parts[0].whole}
    whole["count"] = np.array([float(sum(lengths if counts is None else counts))])
    by_episode = [p.episodes for p in parts if p.episodes is not None]
    if not by_episode:
        return FeatureStats(whole, None, counts)
    episodes = {s: np.concatenate([p[s] for p in by_episode], axis=1) for s in by_episode[0]}
    return FeatureStats(whole, episodes, counts)
