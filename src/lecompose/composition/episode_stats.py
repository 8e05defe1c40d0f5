"""The statistics of each output episode: those that its source has stored, else computed ones.

Those of index and episode_index follow from the layout. A count is of the frames that have a value.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lecompose.composition.layout import Layout
from lecompose.composition.output_spec import OutputSpec
from lecompose.dataset.arrow_arrays import wrap_lists
from lecompose.dataset.write_metadata import StatColumn, stat_column
from lecompose.engine import Engine
from lecompose.formats import Feature
from lecompose.statistics import FeatureStats

# What the layout numbers.
FROM_LAYOUT = ("index", "episode_index")

Columns = dict[str, pa.Array]
"""A column for each feature and statistic, named `feature/stat`; its rows are those of `Layout.episodes`."""


@dataclass(frozen=True)
class PooledStats:
    """A camera's statistics over an output by name, a number a channel each; `count` is of frames."""

    stats: Mapping[str, Sequence[float]]
    count: float


@dataclass(frozen=True)
class EpisodeStats:
    """The relation of all output episodes' statistics, and the names of its columns, `feature/stat` each."""

    engine: Engine
    names: frozenset[str]
    relation: str = "episode_stats"

    def columns(self, output_spec: OutputSpec) -> Iterator[StatColumn]:
        """Yield the columns in the order of meta/episodes."""
        for feature in output_spec.features:
            for stat in output_spec.statistics.names:
                if f"{feature.name}/{stat}" in self.names:
                    yield stat_column(feature, stat)

    def drop(self) -> None:
        """Give back the memory."""
        self.engine.drop(self.relation)


def make_episode_stats(
    layout: Layout,
    features: Sequence[Feature],
    measured: Mapping[str, Mapping[str, FeatureStats]],
    *,
    stored: Collection[str],
    kept: Collection[str],
) -> EpisodeStats:
    """Put together the statistics of all output episodes.

    `measured` has, by output, what was computed of each of the `features`; `stored` are the columns that
    sources have of any feature, `kept` those of cameras that are taken over as they are.
    """
    engine = layout.engine
    engine.load("output_episodes", layout.episodes)
    numbered = _number(layout, stored)
    computed: Columns = {}
    names: list[str] = []
    for feature in features:
        if feature.name not in FROM_LAYOUT:
            computed |= _compute(layout, feature, measured)
            names += [f"{feature.name}/{stat}" for stat in _list_wanted(layout.output_spec, feature)]
    keys = {name: layout.episodes[name] for name in ("out_dataset", "out_episode")}
    engine.load("computed_stats", pa.table(keys | numbered | computed))
    context = {
        "stored": [*kept, *(name for name in names if name in stored and name not in computed)],
        "computed": [*numbered, *(name for name in names if name in computed and name not in stored)],
        "either": [name for name in names if name in computed and name in stored],
    }
    engine.table("episode_stats", "statistics/episodes", context)
    engine.drop("output_episodes", "computed_stats")
    return EpisodeStats(engine, frozenset(name for part in context.values() for name in part))


def pool_pictures(
    stats: EpisodeStats, output: str, kept: Mapping[str, str], quantiles: Collection[str]
) -> PooledStats | None:
    """Return a camera's statistics over an output, from those of its episodes that have any; None for none.

    `kept` are the columns that episodes have of the camera, by statistic.
    """
    context = {
        "episode_stats": stats.relation,
        "stats": {stat: name for stat, name in kept.items() if stat != "count"},
        "quantiles": [name for name in quantiles if name in kept],
        "counts": [name for stat, name in kept.items() if stat == "count"],
    }
    (row,) = stats.engine.arrow("statistics/visual", context, out_dataset=output).to_pylist()
    if row["min"] is None:
        return None
    return PooledStats({stat: row[stat] for stat in kept if stat != "count"}, row["count"][0])


def _list_wanted(output_spec: OutputSpec, feature: Feature) -> tuple[str, ...]:
    statistics = output_spec.statistics
    return statistics.names if feature.is_visual else (*statistics.computed, "count")


# Computed columns -------------------------------------------------------------------------------


def _number(layout: Layout, stored: Collection[str]) -> Columns:
    """Return the statistics of index and episode_index."""
    length, from_index, episode = (
        layout.episodes[name].to_numpy() for name in ("length", "from_index", "out_episode")
    )
    last, levels = length - 1, layout.output_spec.statistics.quantiles
    index = {
        "min": from_index,
        "max": from_index + last,
        "mean": from_index + last / 2,
        "std": np.sqrt((length * length - 1) / 12),
        **_index_quantiles(layout, stored),
        "count": length,
    }
    same = dict.fromkeys(("min", "max", "mean", *levels), episode)
    of_episode = same | {"std": np.zeros(len(length)), "count": length}
    return {f"index/{stat}": _lists(values[:, None]) for stat, values in index.items()} | {
        f"episode_index/{stat}": _lists(values[:, None]) for stat, values in of_episode.items()
    }


def _index_quantiles(layout: Layout, stored: Collection[str]) -> dict[str, np.ndarray]:
    """Return the quantiles of index: the source's, moved along with its minimum, where its range is true."""
    length, from_index = (layout.episodes[name].to_numpy() for name in ("length", "from_index"))
    levels = layout.output_spec.statistics.quantiles
    exact = {name: from_index + level * (length - 1) for name, level in levels.items()}
    names = [f"index/{name}" for name in ("min", "max", *levels)]
    if not levels or not stored or not set(names) <= set(stored):
        return exact
    found = layout.engine.arrow("statistics/of_index", {"names": names})
    known = found["is_known"].to_numpy()
    least, most, *own = (found[name].to_numpy() for name in names)
    known &= most - least == length - 1
    return {
        name: np.where(known, values - least + from_index, exact[name])
        for name, values in zip(levels, own, strict=True)
    }


def _compute(layout: Layout, feature: Feature, measured: Mapping[str, Mapping[str, FeatureStats]]) -> Columns:
    """Return what was computed of each episode: its count is of all frames unless some have no value."""
    parts = [measured[output][feature.name] for output in layout.totals]
    lengths = [totals.episodes for totals in layout.totals.values()]
    names = {name for part in parts for name in part.episodes or ()}
    columns = {
        name: pa.chunked_array(
            [
                _lists(part.episodes[name], part.of_episodes)
                if part.episodes
                else pa.nulls(count, pa.list_(pa.float64()))
                for part, count in zip(parts, lengths, strict=True)
            ]
        )
        for name in names
    }
    if not feature.is_visual or any(part.counts is not None for part in parts):
        columns["count"] = pa.chunked_array(
            [
                _lists(np.array(_counts(layout, output) if part.counts is None else part.counts)[:, None])
                for output, part in zip(layout.totals, parts, strict=True)
            ]
        )
    return {f"{feature.name}/{name}": column for name, column in columns.items()}


def _counts(layout: Layout, output: str) -> list[int]:
    return [length for job in layout.data_jobs_of(output) for length in job.lengths]


def _lists(values: np.ndarray, of_episodes: np.ndarray | None = None) -> pa.Array:
    """Return a list for each episode; null for those that the values are not of."""
    offsets = np.arange(0, values.size + 1, values.shape[1])
    lists = wrap_lists(offsets, values.ravel().astype(np.float64))
    if of_episodes is None:
        return lists
    places = np.cumsum(of_episodes) - 1
    return lists.take(pa.array(places, pa.int64(), mask=~of_episodes))
