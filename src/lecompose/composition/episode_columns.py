"""Per-episode columns that a request makes, changes or removes: the relation `custom`, edited."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from lecompose.composition.feature_spec import FeatureSpec
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.catalog.custom_columns import CustomColumn, is_custom
from lecompose.dataset.query_views import EPISODE_COLUMNS, Views, open_views
from lecompose.errors import QueryError, RequestError, few, near
from lecompose.formats import arrow_field, feature

_KEYS = ("src_dataset", "src_episode")


@dataclass(frozen=True)
class EpisodeColumnEdits:
    """Columns to `add`, in the place of those of their names, and to `remove`; nulls only where allowed."""

    add: tuple[FeatureSpec, ...] = ()
    remove: tuple[str, ...] = ()
    allow_null: bool = False


def edit_episode_columns(catalog: Catalog, edits: EpisodeColumnEdits) -> Catalog:
    """Return the catalog with other per-episode columns; its relation `custom` has them.

    Raises:
        RequestError: for columns that are not there, or whose names are LeRobot's.
        QueryError: for an expression that DuckDB refuses, for values that a dtype cannot hold, and for nulls.
    """
    held = {column.name: column for column in catalog.custom.columns}
    _refuse_names(edits, list(held))
    with open_views(catalog) as views:
        made = {spec.name: _compute(views, spec, allow_null=edits.allow_null) for spec in edits.add}
    gone = {*edits.remove, *made}
    kept = [column for name, column in held.items() if name not in gone]
    table = catalog.engine.read("custom", [*_KEYS, *(column.column for column in kept)])
    source = catalog.sources[0].name
    columns = [*kept]
    for name, values in made.items():
        episodes = table["src_episode"].to_pylist()
        table = table.append_column(name, pa.array([values[n] for n in episodes], values.kind))
        columns.append(CustomColumn(name, name, {source: str(values.kind)}, agree=True, as_json=()))
    catalog.engine.drop("custom")
    catalog.engine.load("custom", table)
    row_bytes = table.nbytes // max(1, table.num_rows)
    return replace(catalog, custom=replace(catalog.custom, columns=tuple(columns), row_bytes=row_bytes))


class _Values(dict[int, object]):
    """A value an episode, by its number, and the type of all of them."""

    kind: pa.DataType


def _compute(views: Views, spec: FeatureSpec, *, allow_null: bool) -> _Values:
    """Return the value of a column for each episode."""
    found = views.episode_values(spec.sql)
    values, kind = found["value"], found["value"].type
    if spec.dtype is not None:
        declared = feature(spec.name, {"dtype": spec.dtype, "shape": list(spec.shape or (1,))})
        field = arrow_field(declared)
        kind = field.type if field is not None else kind
    elif pa.types.is_decimal(kind):
        kind = pa.float64()
    try:
        values = values.cast(kind)
    except pa.ArrowException as error:
        raise QueryError(f"values of another type than {kind}", reason=error, feature=spec.name) from error
    empty = [
        n for n, value in zip(found["src_episode"].to_pylist(), values, strict=True) if not value.is_valid
    ]
    if empty and not allow_null:
        numbers = ", ".join(map(str, empty[:5])) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        raise QueryError(
            f'column "{spec.name}": no value for the episodes {numbers}',
            hint="coalesce(…, a value), or --null, if that is meant",
        )
    made = _Values(zip(found["src_episode"].to_pylist(), values.to_pylist(), strict=True))
    made.kind = kind
    return made


def _refuse_names(edits: EpisodeColumnEdits, held: Sequence[str]) -> None:
    taken = {*EPISODE_COLUMNS}
    needed = [f'"{n}"' for n in edits.remove if n not in held and (n in taken or not is_custom(n))]
    if needed:
        raise RequestError(
            "these columns are LeRobot's own, or follow from them, and stay; columns of yours can be removed",
            hint="edit tasks for task and tasks, edit features for features",
            parts=needed,
        )
    lacking = [f'"{name}"{near(name, held)}' for name in edits.remove if name not in held]
    if lacking:
        have = f"; there are {few(held)}" if held else "; there are none"
        raise RequestError(f"there is no such per-episode column{have}", parts=lacking)
    own = [f'"{spec.name}"' for spec in edits.add if not is_custom(spec.name) or spec.name.lower() in taken]
    if own:
        raise RequestError(
            "per-episode columns of these names are LeRobot's own, or those of the relation episodes",
            parts=own,
        )
    names = [*(name for name in held if name not in edits.remove), *(spec.name for spec in edits.add)]
    by_lower: dict[str, str] = {}
    for name in names:
        other = by_lower.setdefault(name.lower(), name)
        if other != name:
            raise RequestError(f'the column "{name}" cannot be told from "{other}" in SQL')
