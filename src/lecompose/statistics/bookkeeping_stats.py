"""Statistics of what an output numbers by itself: they follow from the lengths of its episodes."""

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

import numpy as np

from lecompose.statistics.feature_stats import FeatureStats
from lecompose.statistics.summarise_numbers import Statistics, interpolate, summarise_counts


def measure_bookkeeping(
    lengths: Sequence[int], quantiles: Mapping[str, float], *, by_episode: Collection[str] = ()
) -> dict[str, FeatureStats]:
    """Return the statistics of `index`, `episode_index` and `frame_index` of consecutive episodes.

    `lengths` are those of the episodes; if they have no frame at all, nothing is returned. The statistics of
    `frame_index` may be asked for of each episode, too.
    """
    sizes = np.array(lengths, np.int64)
    frames = int(sizes.sum())
    if not frames:
        return {}
    longer = _count_longer(sizes)
    of_episodes = _summarise_ranges(sizes, quantiles) if "frame_index" in by_episode else None
    found = {
        "index": _summarise_ranges(np.array([frames]), quantiles),
        "episode_index": _summarise_counts(np.arange(len(sizes)), sizes, quantiles),
        "frame_index": _summarise_counts(np.arange(len(longer)), longer, quantiles),
    }
    count = {"count": np.array([float(frames)])}
    return {
        name: FeatureStats({stat: values.reshape(1) for stat, values in whole.items()} | count, episodes)
        for (name, whole), episodes in zip(found.items(), (None, None, of_episodes), strict=True)
    }


def measure_timestamps(lengths: Sequence[int], fps: Fraction, quantiles: Mapping[str, float]) -> FeatureStats:
    """Return the statistics of timestamps that LeRobot counts from 0 in each episode."""
    longer = _count_longer(np.array(lengths, np.int64))
    seconds = (np.arange(len(longer)) / float(fps)).astype(np.float32)
    whole = _summarise_counts(seconds, longer, quantiles) | {"count": np.array([float(longer.sum())])}
    return FeatureStats({stat: values.reshape(1) for stat, values in whole.items()}, None)


def _count_longer(lengths: np.ndarray) -> np.ndarray:
    """Return how many episodes have a frame 0, a frame 1, and so on."""
    return np.cumsum(np.bincount(lengths)[:0:-1])[::-1]


def measure_constants(
    values: Sequence[int], lengths: Sequence[int], quantiles: Mapping[str, float]
) -> FeatureStats:
    """Return the statistics of a feature that has one value an episode, given in `values`."""
    number = np.array(values, np.float64)
    distinct, which = np.unique(number, return_inverse=True)
    counts = np.bincount(which, weights=lengths).astype(np.int64)
    whole = _summarise_counts(distinct, counts, quantiles) | {"count": np.array([float(counts.sum())])}
    alike = dict.fromkeys(("min", "max", "mean", *quantiles), number[:, None])
    return FeatureStats(whole, alike | {"std": np.zeros((len(number), 1))})


def _summarise_counts(values: np.ndarray, counts: np.ndarray, quantiles: Mapping[str, float]) -> Statistics:
    return summarise_counts(values.astype(np.float64), counts[None], quantiles)


def _summarise_ranges(lengths: np.ndarray, quantiles: Mapping[str, float]) -> Statistics:
    """Return the statistics of the numbers 0, 1, 2 … below each length. Shape: (lengths, 1) each."""
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
        stats[name] = interpolate(below, np.minimum(below + 1, size - 1), place - below)
    return {stat: values[:, None] for stat, values in stats.items()}
