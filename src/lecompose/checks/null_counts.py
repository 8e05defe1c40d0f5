"""Makes `counted_facts` and `valueless_facts`: which frames have no value, so that statistics lack them.

Statistics are of the frames that have a value. Where they count fewer frames than there are, or where
stats.json leaves a feature out, the rows are read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import statistics
from lecompose.concurrency import Workers
from lecompose.dataset.catalog import Catalog
from lecompose.errors import SourceBroken
from lecompose.formats import Feature
from lecompose.statistics import FeatureStats, FileRows

_COUNTED = {
    "src_dataset": pa.string(),
    "src_episode": pa.int64(),
    "feature": pa.string(),
    "frames": pa.int64(),
}
_VALUELESS = {"src_dataset": pa.string(), "feature": pa.string()}


@dataclass(frozen=True)
class _FeatureToCount:
    """A feature of which the frames that have a value must be counted."""

    src_dataset: str
    feature: str


@dataclass(frozen=True)
class _EpisodeRows:
    """Where the rows of an episode lie in a data file."""

    src_dataset: str
    src_episode: int
    data_file: str
    row_from: int
    row_to: int


def load_counts(catalog: Catalog) -> None:
    """Make `counted_facts` and `valueless_facts`, of the features that must be counted.

    The former has the frames of each episode that have a value, the latter the features of which no frame has
    one.
    """
    engine = catalog.engine
    to_count = set(engine.records("statistics/features_to_count", _FeatureToCount))
    places = engine.records("statistics/rows", _EpisodeRows) if to_count else []
    counted: list[tuple[Any, ...]] = []
    valueless: list[tuple[Any, ...]] = []
    for source in catalog.sources:
        mine = [rows for rows in places if rows.src_dataset == source.name]
        features = [
            f for f in source.columns if f.is_numeric and _FeatureToCount(source.name, f.name) in to_count
        ]
        for feature, found in _measure(engine.workers(), features, mine):
            lengths = [rows.row_to - rows.row_from for rows in mine]
            counts = zip(mine, lengths if found.counts is None else found.counts, strict=True)
            counted += [(source.name, rows.src_episode, feature.name, n) for rows, n in counts]
            valueless += [(source.name, feature.name)] if not found.has_value else []
    engine.load("counted_facts", _table(_COUNTED, counted))
    engine.load("valueless_facts", _table(_VALUELESS, valueless))


def _measure(
    workers: Workers, features: Sequence[Feature], places: Sequence[_EpisodeRows]
) -> Iterator[tuple[Feature, FeatureStats]]:
    """Yield the statistics of each feature; not of those whose columns cannot be read."""
    files = [
        FileRows(Path(path), tuple((rows.row_from, rows.row_to) for rows in group))
        for path, group in groupby(places, key=lambda rows: rows.data_file)
    ]
    for feature in features:
        try:
            found = statistics.measure_numbers(workers, files, [feature], quantiles={})
        except SourceBroken:
            continue  # another promise tells of it; the statistics have no excuse
        yield feature, found[feature.name]


def _table(shape: dict[str, pa.DataType], rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(shape)
    return pa.table(
        {name: pa.array(held, kind) for (name, kind), held in zip(shape.items(), columns, strict=True)}
    )
