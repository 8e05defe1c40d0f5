"""Statistics of relative actions: what a policy sees that is to say how far from the present state to go.

Of each stretch of `horizon` frames inside an episode the actions count, less the state of its first frame; so
an action counts once for each stretch that it is in. Excluded dimensions stay as they are.

Source: LeRobot 0.6.1, recompute_stats with relative_action: which stretches there are, float32 throughout,
and names that contain an excluded word. Its quantiles are read off histograms of 5,000 bins; ours are exact.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow.parquet as pq
from numpy.lib.stride_tricks import sliding_window_view

from lecompose.concurrency import Workers
from lecompose.dataset.catalog.dimension_names import plain_names
from lecompose.errors import RequestError, SourceBroken, count_of, near
from lecompose.files.parquet.damage import reading_parquet
from lecompose.formats import Feature
from lecompose.statistics.feature_stats import FeatureStats
from lecompose.statistics.relative_action import RelativeAction
from lecompose.statistics.row_groups import FileRows, expecting_declared, to_rows
from lecompose.statistics.streaming_quantiles import StreamingQuantiles
from lecompose.statistics.summarise_numbers import Numbers, Statistics, interpolate, quantile_ranks, quiet

# So many numbers are sorted at a time, and so many are held of each dimension.
_BLOCK, _HELD = 2**20, 2**22


def choose_relative(relative: RelativeAction, features: Sequence[Feature]) -> tuple[Feature, Feature]:
    """Return the action and the state that are meant.

    Raises:
        RequestError: for features that are not there, or do not go together.
    """
    by_name = {feature.name: feature for feature in features}
    for name in (relative.feature, relative.state):
        if name not in by_name:
            raise RequestError(f'--relative: there is no feature "{name}"{near(name, by_name)}')
        if not by_name[name].is_numeric or len(by_name[name].shape) > 1:
            raise RequestError(f'--relative: "{name}" is {by_name[name].dtype}, not a vector of numbers')
    action, state = by_name[relative.feature], by_name[relative.state]
    if state.stat_size < action.stat_size:
        raise RequestError(
            f'--relative: "{state.name}" has {state.stat_size} dimensions, "{action.name}"'
            f" {action.stat_size}: there is no state for each of them",
            hint=f"--pad {state.name}={action.stat_size}, if 0 is meant",
        )
    return action, state


def list_relative(relative: RelativeAction, action: Feature) -> list[bool]:
    """Return which dimensions are relative: those whose names contain none of the excluded words."""
    names = plain_names(action.spec.get("names")) or []
    words = [word.lower() for word in relative.exclude if word]
    mask = [not any(word in name.lower() for word in words) for name in names[: action.stat_size]]
    return mask + [True] * (action.stat_size - len(mask))


def describe_relative(relative: RelativeAction, action: Feature, lengths: Sequence[int]) -> str:
    """Return a note on what the statistics of an action are of. Raises RequestError where nothing is left."""
    short = sum(length < relative.horizon for length in lengths)
    if short == len(lengths):
        longest = max(lengths, default=0)
        raise RequestError(
            f"--horizon {relative.horizon}: no episode has so many frames, the longest one {longest}"
        )
    mask = list_relative(relative, action)
    kept = [n + 1 for n, is_relative in enumerate(mask) if not is_relative]
    absolute = f"; absolute are the dimensions {', '.join(map(str, kept))}" if kept else ""
    shorter = count_of(short, "episode is shorter, and counts", "episodes are shorter, and count")
    left = f"; {shorter} for nothing" if short else ""
    return (
        f'the statistics of "{action.name}" are relative to "{relative.state}" over {relative.horizon} frames'
        f"{absolute}{left}; those of episodes, and of what is composed of this, are of the action itself"
    )


def measure_relative(
    workers: Workers,
    files: Sequence[FileRows],
    features: Sequence[Feature],
    relative: RelativeAction,
    quantiles: Mapping[str, float],
) -> FeatureStats:
    """Return the statistics of a relative action over the episodes in `files`.

    Raises:
        RequestError: for features that are not there; where no episode is as long as the horizon.
        SourceBroken: if a file cannot be read, or a frame has no value.
    """
    action, state = choose_relative(relative, features)
    describe_relative(relative, action, [length for file in files for length in file.lengths])
    read = [
        _read_episodes(file, action, state, relative.horizon)
        for file in files
        if any(length >= relative.horizon for length in file.lengths)
    ]
    episodes = [episode for of_file in read for episode in of_file]
    mask = list_relative(relative, action)

    def measure(dimension: int) -> dict[str, float]:
        pairs = [
            (actions[:, dimension], states[:, dimension] if mask[dimension] else None)
            for actions, states in episodes
        ]
        return _measure(pairs, relative.horizon, quantiles)

    found = workers.each(range(action.stat_size), measure)
    whole: Statistics = {stat: np.array([each[stat] for each in found]) for stat in found[0]}
    count = sum(len(actions) - relative.horizon + 1 for actions, _ in episodes) * relative.horizon
    return FeatureStats(whole | {"count": np.array([float(count)])}, None)


def _read_episodes(
    file: FileRows, action: Feature, state: Feature, horizon: int
) -> list[tuple[Numbers, Numbers]]:
    """Return the actions and states of the episodes of a file that are long enough, as float32."""
    with reading_parquet(file.path):
        table = pq.read_table(file.path, columns=[action.name, state.name], partitioning=None)
    columns = []
    for feature in (action, state):
        with expecting_declared(feature, file.path):
            numbers, missing = to_rows(table[feature.name].combine_chunks(), feature)
        if missing is not None and missing.any():
            row = int(np.argmax(missing))
            raise SourceBroken(f"row {row} has no value", feature=feature.name, path=file.path)
        columns.append(numbers.astype(np.float32))
    return [(columns[0][a:b], columns[1][a:b]) for a, b in file.rows if b - a >= horizon]


def _blocks(pairs: Sequence[tuple[Numbers, Numbers | None]], horizon: int) -> Iterator[Numbers]:
    """Yield all numbers of a dimension, some at a time, each block sorted."""
    step = max(1, _BLOCK // horizon)
    held: list[Numbers] = []
    for actions, states in pairs:
        stretches = sliding_window_view(actions, horizon)
        for start in range(0, len(stretches), step):
            part = stretches[start : start + step]
            numbers = part if states is None else part - states[start : start + len(part), None]
            held.append(np.ravel(numbers))
            if sum(map(len, held)) >= _BLOCK:
                yield np.sort(np.concatenate(held))
                held = []
    if held:
        yield np.sort(np.concatenate(held))


@quiet
def _measure(
    pairs: Sequence[tuple[Numbers, Numbers | None]], horizon: int, quantiles: Mapping[str, float]
) -> dict[str, float]:
    """Return the statistics of a dimension: moments of blocks joined, quantiles from what is held of them."""
    levels = list(quantiles.values())
    ranks = StreamingQuantiles(levels, np.dtype(np.float32), _HELD)
    moments = []
    for block in _blocks(pairs, horizon):
        numbers = block.astype(np.float64)
        mean = numbers.mean()
        moments.append((len(block), block[0], block[-1], mean, np.mean((numbers - mean) ** 2)))
        if not np.isnan(block[-1]):
            ranks.add(block)
    sizes, least, most, means, variances = (
        np.array(column, np.float64) for column in zip(*moments, strict=True)
    )
    if np.isnan(most).any():
        return dict.fromkeys(("min", "max", "mean", "std", *quantiles), float("nan"))
    count, mean = int(sizes.sum()), np.dot(means, sizes) / sizes.sum()
    variance = np.dot(variances + (means - mean) ** 2, sizes) / sizes.sum()
    found = {"min": least.min(), "max": most.max(), "mean": mean, "std": np.sqrt(variance)}
    wanted = [rank for level in levels for rank in quantile_ranks(level, count)[:2]]
    if any(ranks.at(rank) is None for rank in wanted):
        ranks = ranks.prepare_second_pass(wanted)
        for block in _blocks(pairs, horizon):
            ranks.add(block)
    for name, level in quantiles.items():
        below, above, share = quantile_ranks(level, count)
        low, high = (np.asarray(ranks.at(rank), np.float64) for rank in (below, above))
        found[name] = interpolate(low, high, share)
    return {stat: float(value) for stat, value in found.items()}
