"""What measuring a feature gives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lecompose.statistics import Statistics


@dataclass(frozen=True)
class Measured:
    """A feature's statistics over a dataset, and over each of its episodes where those were asked for.

    Shape: `whole` (dimensions,) each, count (1,); `episodes` (episodes, dimensions) each, in the order of the
    files given.
    """

    whole: Statistics
    episodes: Statistics | None

    def as_json(self, names: Iterable[str], *, nested: bool) -> dict[str, Any]:
        """What stats.json says of the feature; of pictures `nested`, as (channels, 1, 1)."""
        said = {name: self.whole[name].tolist() for name in names if name in self.whole}
        deep = {name: [[[x]] for x in values] for name, values in said.items() if nested}
        return said | deep | {"count": [int(said["count"][0])]}


def joined(parts: Sequence[Measured], count: int) -> Measured:
    """One feature whose dimensions were measured in parts, over so many frames."""
    whole = {s: np.concatenate([p.whole[s] for p in parts]) for s in parts[0].whole}
    whole["count"] = np.array([float(count)])
    by_episode = [p.episodes for p in parts if p.episodes is not None]
    if not by_episode:
        return Measured(whole, None)
    return Measured(whole, {s: np.concatenate([p[s] for p in by_episode], axis=1) for s in by_episode[0]})
