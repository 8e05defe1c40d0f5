"""The statistics of what an output numbers anew: they follow from the lengths of its episodes."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from lecompose.statistics.exact import Statistics, between, summarise_counts
from lecompose.statistics.feature_stats import Measured


def numbering(
    lengths: Sequence[int], quantiles: Mapping[str, float], *, by_episode: Collection[str] = ()
) -> dict[str, Measured]:
    """Of `index`, `episode_index` and `frame_index`, where episodes of these lengths follow each other.

    That of `frame_index` may be asked for of each episode, too. Nothing where there are no frames.
    """
    sizes = np.array(lengths, np.int64)
    frames = int(sizes.sum())
    if not frames:
        return {}
    longer = np.cumsum(np.bincount(sizes)[:0:-1])[::-1]
    of_episodes = _of_ranges(sizes, quantiles) if "frame_index" in by_episode else None
    found = {
        "index": _of_ranges(np.array([frames]), quantiles),
        "episode_index": _of_counts(np.arange(len(sizes)), sizes, quantiles),
        "frame_index": _of_counts(np.arange(len(longer)), longer, quantiles),
    }
    count = {"count": np.array([float(frames)])}
    return {
        name: Measured({stat: values.reshape(1) for stat, values in whole.items()} | count, episodes)
        for (name, whole), episodes in zip(found.items(), (None, None, of_episodes), strict=True)
    }


def constants(values: Sequence[int], lengths: Sequence[int], quantiles: Mapping[str, float]) -> Measured:
    """Of a feature that is the same in all frames of an episode, which `values` has for each."""
    number = np.array(values, np.float64)
    distinct, which = np.unique(number, return_inverse=True)
    counts = np.bincount(which, weights=lengths).astype(np.int64)
    whole = _of_counts(distinct, counts, quantiles) | {"count": np.array([float(counts.sum())])}
    alike = dict.fromkeys(("min", "max", "mean", *quantiles), number[:, None])
    return Measured(whole, alike | {"std": np.zeros((len(number), 1))})


def _of_counts(values: np.ndarray, counts: np.ndarray, quantiles: Mapping[str, float]) -> Statistics:
    return summarise_counts(values.astype(np.float64), counts[None], quantiles)


def _of_ranges(lengths: np.ndarray, quantiles: Mapping[str, float]) -> Statistics:
    """Of the numbers 0, 1, 2 … below each of the lengths. Shape: (lengths, 1) each."""
    size = lengths.astype(np.float64)
    stats = {
        "min": np.zeros(len(size)),
        "max": size - 1,
        "mean": (size - 1) / 2,
        "std": np.sqrt((size * size - 1) / 12),
    }
    for name, level in quantiles.items():
        place = level * (size - 1)
        below = np.floor(place)
        stats[name] = between(below, np.minimum(below + 1, size - 1), place - below)
    return {stat: values[:, None] for stat, values in stats.items()}
