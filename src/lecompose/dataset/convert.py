"""What a source gives for a feature of the output: its values in the output's type, or a fill."""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from lecompose import formats
from lecompose.dataset import arrow_schema
from lecompose.dataset.feature_map import SourceFeature
from lecompose.dataset.list_lengths import refuse_odd_rows, tells_shape
from lecompose.errors import RequestError, SourceBroken
from lecompose.formats import DEFAULT_FEATURES

Where: TypeAlias = Callable[[int], str]
"""Which episode of which source a row is of, for messages."""


def stored_names(schema: pa.Schema, takes: Mapping[str, SourceFeature]) -> dict[str, str]:
    """Of each column that a source has, the source's own name for it.

    A feature that `takes` does not tell of goes by the same name.
    """
    named = {}
    for name in schema.names:
        how = takes.get(name)
        if how is None:
            named[name] = name
        elif how.feature is not None:
            named[name] = how.feature.name
    return named


def convert_batch(
    rows: pa.RecordBatch,
    schema: pa.Schema,
    named: Mapping[str, str],
    takes: Mapping[str, SourceFeature],
    *,
    where: Where,
    file: str,
) -> pa.RecordBatch:
    """Rows of a source as the output has them; `named` are their columns by the names in `schema`.

    Raises:
        SourceBroken: where they are not as declared.
        RequestError: where a value does not fit a dtype that was asked for.
    """
    arrays = []
    for field in schema:
        how = takes.get(field.name)
        try:
            if field.name in named:
                arrays.append(_values(rows[named[field.name]], field, how, where))
            else:
                arrays.append(_fill(len(rows), field, how))
        except SourceBroken as error:
            error.path = file
            raise
        except pa.ArrowException as error:
            own = named.get(field.name, field.name)
            hint = f"--remove {shlex.quote(own)}, which leaves it out; or --skip-broken"
            raise SourceBroken(
                f'feature "{field.name}" is not as declared',
                reason=error,
                hint=None if own in DEFAULT_FEATURES else hint,
                path=file,
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _fill(rows: int, field: pa.Field, how: SourceFeature | None) -> pa.Array:
    if how is None or how.value is None:
        return pa.nulls(rows, field.type)
    return pa.repeat(pa.scalar(how.value, field.type), rows)


def _values(array: pa.Array, field: pa.Field, how: SourceFeature | None, where: Where) -> pa.Array:
    if how is not None and how.dimensions and how.feature is not None:
        own = pa.list_(pa.field("element", number_type(field.type)), how.feature.shape[0])
        whole = _values(array, field.with_type(own), replace(how, dimensions=()), where)
        return _take_dimensions(whole, how, field.type)
    if isinstance(array.type, pa.BaseExtensionType) and array.type != field.type:
        array = array.storage
    shape = _declared_shape(field, how)
    if not tells_shape(array.type, shape):
        refuse_odd_rows(array, shape, where=where)
    if how is None or not how.lossy:
        return arrow_schema.cast_exactly(array, field.type)
    return _cast(array, field, how, where)


def _declared_shape(field: pa.Field, how: SourceFeature | None) -> tuple[int, ...]:
    """Return the shape of the source's numbers; no dimensions for scalars, and for what is no number."""
    if how is not None and how.feature is not None:
        return how.feature.shape if how.feature.is_numeric else ()
    if pa.types.is_fixed_size_list(field.type):
        return (field.type.list_size,)
    extension = (field.metadata or {}).get(b"ARROW:extension:metadata")
    return tuple(json.loads(extension)[0]) if extension and formats.is_list(field.type) else ()


def _take_dimensions(vectors: pa.Array, how: SourceFeature, kind: pa.DataType) -> pa.Array:
    """Return vectors of other dimensions: those of the source that `how` names, and its padding."""
    size, rows = vectors.type.list_size, len(vectors)
    numbers = pa.concat_arrays(
        [
            vectors.values.slice(vectors.offset * size, rows * size),
            pa.array([how.padding]).cast(number_type(kind)),
        ]
    )
    dimensions = np.array(how.dimensions, np.int64)
    places = np.arange(rows)[:, None] * size + dimensions
    places[:, dimensions < 0] = rows * size
    is_null = vectors.is_null().to_numpy(zero_copy_only=False) if vectors.null_count else None
    if not formats.is_list(kind):
        return numbers.take(pa.array(places[:, 0], mask=is_null))
    mask = None if is_null is None else pa.array(is_null)
    return pa.FixedSizeListArray.from_arrays(numbers.take(pa.array(places.ravel())), type=kind, mask=mask)


def _cast(array: pa.Array, field: pa.Field, how: SourceFeature, where: Where) -> pa.Array:
    """Return a cast that may round, but never turns a number into a whole one, another one or infinity."""
    row = first_misfit(array, field.type)
    if row is not None:
        misfit = f"a value in {where(row)} does not fit: {array[row].as_py()}"
        if how.stored_as is not None:
            raise SourceBroken(
                f"declared as {number_type(field.type)}, stored as {how.stored_as}, and {misfit}",
                hint=f"--cast {field.name}={how.stored_as}",
                feature=field.name,
            )
        raise RequestError(
            f"--cast {field.name}={number_type(field.type)}: {misfit}",
            hint="a wider dtype, one of floats for fractions",
        )
    laid_out = arrow_schema.cast_exactly(array, _of_numbers(field.type, number_type(array.type)))
    return laid_out.cast(field.type, safe=False)


def _of_numbers(kind: pa.DataType, number: pa.DataType) -> pa.DataType:
    """Return lists like those of a type, of other numbers."""
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(pa.field("element", _of_numbers(kind.value_type, number)), kind.list_size)
    return (
        pa.list_(pa.field("element", _of_numbers(kind.value_type, number)))
        if pa.types.is_list(kind)
        else number
    )


def number_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the numbers in a list of whatever depth."""
    while pa.types.is_nested(kind):
        kind = kind.value_type
    return kind


def first_misfit(array: pa.Array, kind: pa.DataType) -> int | None:
    """Return the first row with a number that is none of a type."""
    if _fits(array, kind):
        return None
    return next(n for n in range(len(array)) if not _fits(array.slice(n, 1), kind))


def _fits(array: pa.Array, kind: pa.DataType) -> bool:
    """Return whether each number is within the range of a type.

    Whole ones know no fraction, no infinity, no NaN.
    """
    while pa.types.is_nested(array.type):
        array = array.flatten()
    numbers = array.drop_null().to_numpy(zero_copy_only=False)
    to = np.dtype(number_type(kind).to_pandas_dtype())
    if not len(numbers):
        return True
    if to.kind == "f":
        with np.errstate(over="ignore"):
            return bool((np.isfinite(numbers.astype(to)) | ~np.isfinite(numbers)).all())
    limits = np.iinfo(to)
    if numbers.dtype.kind == "f":
        if not (np.isfinite(numbers) & (np.trunc(numbers) == numbers)).all():
            return False
        # The upper limit is no float, the number behind it is.
        return bool(numbers.min() >= float(limits.min) and numbers.max() < float(int(limits.max) + 1))
    return int(numbers.min()) >= limits.min and int(numbers.max()) <= limits.max
