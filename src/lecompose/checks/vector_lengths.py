"""Vectors that are not of the declared length, as empty lists where nothing was measured."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.checks.faults import Damage, Fault, as_damage
from lecompose.checks.footers import Footers
from lecompose.dataset.catalog import Source
from lecompose.errors import SourceBroken
from lecompose.files.parquet.damage import reading_parquet
from lecompose.formats import Feature

_NONE = pa.null()


def find_odd_vectors(source: Source, footers: Footers) -> Damage:
    """Return a fault for each feature that has vectors of another length, with the first such episode."""
    odd = [(feature, find_odd_episodes(feature, footers, source.stored)) for feature in source.columns]
    return as_damage(
        *(
            Fault("columns", None, describe_odd(feature), episode=min(episodes), feature=feature.name)
            for feature, episodes in odd
            if episodes
        )
    )


def describe_odd(feature: Feature) -> str:
    """Return what is wrong with such a feature."""
    return f"vectors of {feature.shape[0]} numbers are declared, and there are others"


def find_odd_episodes(feature: Feature, footers: Footers, stored: pa.Schema | None) -> frozenset[int]:
    """Return the episodes with a vector of another length.

    A column whose type has the length, as LeRobot writes it, has none; of others, footers tell of most files.
    """
    field = formats.arrow_field(feature)
    if field is None or not pa.types.is_fixed_size_list(field.type) or not _is_list(feature.name, stored):
        return frozenset()
    size, found = field.type.list_size, set[int]()
    if pa.types.is_nested(field.type.value_type):
        return frozenset()
    for path, footer in footers.items():
        if _count_values(feature.name, footer) != footer.num_rows * size:
            found |= set(_read_episodes(feature.name, path, size))
    return frozenset(found)


def _is_list(name: str, stored: pa.Schema | None) -> bool:
    """Return whether a column has lists of any length."""
    kind = _NONE if stored is None or name not in stored.names else stored.field(name).type
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _count_values(name: str, footer: pq.FileMetaData) -> int:
    if not footer.num_row_groups:
        return 0
    first = footer.row_group(0)
    places = [
        n for n in range(footer.num_columns) if first.column(n).path_in_schema.startswith(f"{name}.list.")
    ]
    groups = map(footer.row_group, range(footer.num_row_groups))
    return sum(group.column(n).num_values for group in groups for n in places)


def _read_episodes(name: str, path: Path, size: int) -> Iterator[int]:
    """Yield the episodes of a file with a vector of another length; what cannot be read is told elsewhere."""
    with suppress(SourceBroken), reading_parquet(path):
        rows = pq.read_table(path, columns=["episode_index", name], partitioning=None)
        kinds = {field.name: field.type for field in rows.schema}
        if not (
            formats.is_list(kinds.get(name, _NONE)) and pa.types.is_integer(kinds.get("episode_index", _NONE))
        ):
            return
        is_odd = pc.fill_null(pc.not_equal(pc.list_value_length(rows[name]), size), False)
        yield from map(int, np.unique(rows["episode_index"].filter(is_odd).drop_null().to_numpy()))
