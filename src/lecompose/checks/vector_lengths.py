"""Vectors and arrays that are not of the declared shape, as empty lists where nothing was measured."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.checks.faults import Damage, Fault, as_damage
from lecompose.checks.footers import Footers
from lecompose.dataset.catalog import Source
from lecompose.dataset.list_lengths import describe_odd, find_odd_rows, measure_shape, tells_shape
from lecompose.errors import SourceBroken
from lecompose.files.parquet.damage import reading_parquet
from lecompose.formats import Feature

_NONE = pa.null()


@dataclass(frozen=True)
class OddLists:
    """The episodes with lists of other lengths than declared; `shape` is that of all rows, if they agree."""

    episodes: frozenset[int]
    shape: tuple[int, ...] | None


def find_odd_vectors(source: Source, footers: Footers) -> Damage:
    """Return a fault for each feature that has lists of other lengths, with the first such episode."""
    odd = [(feature, find_odd_lists(feature, footers)) for feature in source.columns]
    return as_damage(
        *(
            Fault("columns", None, _describe(feature, lists), min(lists.episodes), feature.name)
            for feature, lists in odd
            if lists.episodes
        )
    )


def _describe(feature: Feature, lists: OddLists) -> str:
    held = f": all are {' × '.join(map(str, lists.shape))}" if lists.shape else ""
    return f"{describe_odd(feature.shape)}{held}"


def find_odd_lists(feature: Feature, footers: Footers) -> OddLists:
    """Return the episodes with lists of other lengths, of a vector or an array.

    Columns whose types have the lengths, as LeRobot writes vectors, are not read.
    """
    found: set[int] = set()
    shapes: Counter[tuple[int, ...] | None] = Counter()
    if feature.is_numeric and feature.shape not in ((), (1,)):
        for path, footer in footers.items():
            if _is_list_of_any_length(feature, footer.schema.to_arrow_schema()):
                for episodes, shape in _read_lists(feature, path):
                    found |= episodes
                    shapes[shape] += 1
    same = next(iter(shapes)) if len(shapes) == 1 else None
    return OddLists(frozenset(found), None if same == feature.shape else same)


def _is_list_of_any_length(feature: Feature, stored: pa.Schema) -> bool:
    kind = stored.field(feature.name).type if feature.name in stored.names else _NONE
    if not formats.is_list(kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind):
        return False
    # The length of a vector is held against its type; that of an array, nothing else looks at.
    is_other_vector = pa.types.is_fixed_size_list(kind) and len(feature.shape) == 1
    return not is_other_vector and not tells_shape(kind, feature.shape)


def _read_lists(feature: Feature, path: Path) -> Iterator[tuple[set[int], tuple[int, ...] | None]]:
    """Yield for each part of a file the episodes with odd lists, and the shape of all lists.

    What cannot be read is told elsewhere.
    """
    with suppress(SourceBroken), reading_parquet(path), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        if "episode_index" not in schema.names or not pa.types.is_integer(schema.field("episode_index").type):
            return
        for rows in file.iter_batches(columns=["episode_index", feature.name]):
            is_odd = find_odd_rows(rows[feature.name], feature.shape)
            numbers = rows["episode_index"].filter(pa.array(is_odd)).drop_null().to_numpy()
            yield set(map(int, np.unique(numbers))), measure_shape(rows[feature.name], len(feature.shape))
