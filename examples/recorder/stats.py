"""Statistics of an episode and of a whole dataset, as LeRobot defines them.

`count` counts frames, whatever the shape; of pictures only some frames are looked at. Quantiles are read
off a histogram, and the dataset's quantile is the weighted mean of the episodes' quantiles: that is
what recorded datasets hold, so that is what the toy writes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recorder.robot import Column, Robot

Stats = dict[str, NDArray[Any]]
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
BINS = 5000


def describe(column: NDArray[Any], *, quantiles: bool) -> Stats:
    """Statistics of one episode's column. Shape: (last dimension,), of scalars (1,); count (1,)."""
    rows = column.reshape(-1, column.shape[-1] if column.ndim > 1 else 1)
    return _moments(rows, quantiles) | {"count": np.array([len(column)])}


def describe_pictures(pictures: Iterator[NDArray[np.uint8]], length: int, *, quantiles: bool) -> Stats:
    """Statistics per colour, of the range 0 to 1. Shape: (3, 1, 1); count (1,)."""
    wanted = set(_sampled(length).tolist())
    kept = np.stack([_thinned(image) for number, image in enumerate(pictures) if number in wanted])
    stats = _moments(kept.reshape(-1, 3), quantiles)
    scaled = {name: (numbers / 255).reshape(3, 1, 1) for name, numbers in stats.items()}
    return scaled | {"count": np.array([len(wanted)])}


def of_episode(
    robot: Robot, episode: int, columns: dict[str, Column], *, quantiles: bool
) -> dict[str, Stats]:
    """Statistics of every feature of one episode, but of texts."""
    numbers = {name: column for name, column in columns.items() if isinstance(column, np.ndarray)}
    stats = {name: describe(column, quantiles=quantiles) for name, column in numbers.items()}
    for name in robot.cameras + robot.images:
        pictures = robot.pictures(name, episode)
        stats[name] = describe_pictures(pictures, robot.lengths[episode], quantiles=quantiles)
    return stats


def pool_all(episodes: Sequence[dict[str, Stats]]) -> dict[str, Stats]:
    """Statistics of every feature over all episodes."""
    return {name: pool([stats[name] for stats in episodes]) for name in (episodes[0] if episodes else ())}


def pool(parts: Sequence[Stats]) -> Stats:
    """Statistics of all episodes from those of each."""
    counts = np.stack([part["count"] for part in parts])
    weights = (counts / counts.sum()).reshape(-1, *[1] * parts[0]["mean"].ndim)

    def weighted(numbers: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return (np.stack(numbers) * weights).sum(axis=0)

    mean = weighted([part["mean"] for part in parts])
    variance = weighted([part["std"] ** 2 + (part["mean"] - mean) ** 2 for part in parts])
    return {
        "min": np.min([part["min"] for part in parts], axis=0),
        "max": np.max([part["max"] for part in parts], axis=0),
        "mean": mean,
        "std": np.sqrt(variance),
        "count": counts.sum(axis=0),
        **{name: weighted([part[name] for part in parts]) for name in QUANTILES if name in parts[0]},
    }


def as_lists(stats: Stats) -> dict[str, list[Any]]:
    """`stats` ready for JSON and Arrow."""
    return {name: numbers.tolist() for name, numbers in stats.items()}


def _moments(rows: NDArray[Any], quantiles: bool) -> Stats:
    exact = rows.astype(np.float64)
    moments = {
        "min": rows.min(axis=0),
        "max": rows.max(axis=0),
        "mean": exact.mean(axis=0),
        "std": exact.std(axis=0),
    }
    if not quantiles:
        return moments
    each = np.array([_quantiles(column) for column in exact.T])
    return moments | {name: each[:, place] for place, name in enumerate(QUANTILES)}


def _quantiles(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(numbers) < 2:
        return np.full(len(QUANTILES), numbers.mean())
    edges = np.linspace(numbers.min() - 1e-10, numbers.max() + 1e-10, BINS + 1)
    filled = np.cumsum(np.histogram(numbers, edges)[0])
    wanted = np.array(list(QUANTILES.values())) * len(numbers)
    place = np.searchsorted(filled, wanted)
    before = filled[np.maximum(place - 1, 0)]
    part = (wanted - before) / np.maximum(filled[place] - before, 1)
    inside = edges[place] + part * (edges[place + 1] - edges[place])
    return np.where(place == 0, edges[0], inside)  # the first bin gives its lower edge


def _sampled(length: int) -> NDArray[np.int64]:
    number = max(min(100, length), min(int(length**0.75), 10_000))
    return np.round(np.linspace(0, length - 1, number)).astype(np.int64)


def _thinned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    longest = max(image.shape)
    return image[:: longest // 150, :: longest // 150] if longest >= 300 else image
