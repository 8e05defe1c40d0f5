"""What statistics may leave unsaid, as relations: `counted_facts` and `valueless_facts`.

They are of the frames that have a value. Where they tell of fewer frames than there are, or where stats.json
leaves a feature out, the rows are looked at; no other promise reads them.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import statistics
from lecompose.dataset.catalog import Catalog, Source
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


def load_counts(catalog: Catalog) -> None:
    """Make `counted_facts`, the frames of each episode that have a value, and `valueless_facts`, the features
    of which no frame has one; both of those features only whose statistics need an excuse, and unless an
    earlier call did.
    """
    if catalog.engine.has("counted_facts"):
        return
    doubted = {(row["src_dataset"], row["feature"]) for row in catalog.engine.rows("statistics/doubted")}
    places = catalog.engine.rows("statistics/rows") if doubted else []
    counted: list[tuple[Any, ...]] = []
    valueless: list[tuple[Any, ...]] = []
    for source in catalog.sources:
        mine = [row for row in places if row["src_dataset"] == source.name]
        for feature, found in _looked_at(catalog, source, doubted, mine):
            lengths = [row["row_to"] - row["row_from"] for row in mine]
            counts = zip(mine, lengths if found.counts is None else found.counts, strict=True)
            counted += [(source.name, row["src_episode"], feature.name, n) for row, n in counts]
            valueless += [(source.name, feature.name)] if not found.has_value else []
    catalog.engine.load("counted_facts", _table(_COUNTED, counted))
    catalog.engine.load("valueless_facts", _table(_VALUELESS, valueless))


def _looked_at(
    catalog: Catalog, source: Source, doubted: Iterable[tuple[str, str]], places: list[dict[str, Any]]
) -> Iterator[tuple[Feature, FeatureStats]]:
    """The doubted numeric features of a source, measured; without those whose columns cannot be read."""
    workers = catalog.engine.workers()
    files = [
        FileRows(Path(path), tuple((row["row_from"], row["row_to"]) for row in rows))
        for path, rows in groupby(places, key=lambda row: row["data_file"])
    ]
    for feature in source.columns:
        if feature.is_numeric and (source.name, feature.name) in doubted:
            try:
                yield (
                    feature,
                    statistics.measure_numbers(workers, files, [feature], quantiles={})[feature.name],
                )
            except SourceBroken:
                continue  # another promise tells of it; the statistics have no excuse


def _table(shape: dict[str, pa.DataType], rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(shape)
    return pa.table(
        {name: pa.array(held, kind) for (name, kind), held in zip(shape.items(), columns, strict=True)}
    )
