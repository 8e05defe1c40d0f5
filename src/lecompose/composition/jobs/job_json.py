"""A job as text, so that another process can carry it out: JSON, read back by the declared types.

Rows of records stand column by column: a job may hold very many episodes.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import pyarrow as pa

from lecompose.composition.jobs.data_file_job import DataFileJob
from lecompose.composition.jobs.measure_pictures_job import MeasurePicturesJob
from lecompose.composition.jobs.video_file_job import EncodeClipJob, VideoFileJob
from lecompose.errors import RequestError

Job: TypeAlias = DataFileJob | VideoFileJob | EncodeClipJob | MeasurePicturesJob

_VERSION = 1
_PLAIN = (bool, int, float, str, NoneType)
_KINDS: dict[str, type[Job]] = {
    "data file": DataFileJob,
    "video file": VideoFileJob,
    "encode clip": EncodeClipJob,
    "measure pictures": MeasurePicturesJob,
}


def encode_job(job: Job) -> str:
    """Return a job as text."""
    content = {"lecompose job": _VERSION, "kind": name_kind(job), "job": _encode(job)}
    return json.dumps(content, ensure_ascii=False)


def decode_job(text: str) -> Job:
    """Return the job that a text says.

    Raises:
        RequestError: if it says no job of this version.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise RequestError("the job cannot be read", reason=error) from error
    if not isinstance(content, Mapping) or content.get("lecompose job") != _VERSION:
        raise RequestError(f"no job of version {_VERSION}")
    job: Job = _decode(content["job"], _KINDS[content["kind"]])
    return job


def name_kind(job: Job) -> str:
    """Return what kind of job it is, in words."""
    return next(name for name, cls in _KINDS.items() if isinstance(job, cls))


def _encode(value: Any) -> Any:
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, pa.Schema):
        return base64.b64encode(value.serialize().to_pybytes()).decode()
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        record: Any = type(value[0])
        columns = _types(record).items()
        return {name: _encode_column([*map(attrgetter(name), value)], kind) for name, kind in columns}
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    if is_dataclass(value):
        return {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _encode(item) for name, item in value.items()}
    return value


def _encode_column(values: list[Any], kind: Any) -> list[Any]:
    """Return the values of one field of many records; most say the same in JSON, and are not looked at."""
    return values if _is_plain(kind) else [_encode(value) for value in values]


@cache
def _is_plain(kind: Any) -> bool:
    """Return whether values of a declared type are their own JSON."""
    return kind in _PLAIN or (isinstance(kind, UnionType) and all(map(_is_plain, get_args(kind))))


def _decode(value: Any, kind: Any) -> Any:
    """Return an encoded value as the type that it had."""
    if value is None or kind is Any:
        return value
    arguments = get_args(kind)
    if isinstance(kind, UnionType):
        return _decode(value, next(argument for argument in arguments if argument is not type(None)))
    if get_origin(kind) is tuple:
        return tuple(_decode_items(value, arguments[0]))
    if isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Mapping):
        return {name: _decode(item, arguments[1]) for name, item in value.items()}
    if kind is Fraction:
        return Fraction(value)
    if kind is pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(value)))
    if _is_record(kind):
        return _decode_record(value, kind)
    return value


def _decode_items(value: Any, kind: Any) -> list[Any]:
    if not value or not _is_record(kind):
        return [_decode(item, kind) for item in value]
    columns = [
        value[name] if _is_plain(cls) else [_decode(item, cls) for item in value[name]]
        for name, cls in _types(kind).items()
    ]
    return [kind(*values) for values in zip(*columns, strict=True)]


def _decode_record(value: Mapping[str, Any], kind: Any) -> Any:
    return kind(**{name: _decode(value[name], cls) for name, cls in _types(kind).items()})


def _is_record(kind: Any) -> bool:
    return is_dataclass(kind)


@cache
def _types(kind: Any) -> dict[str, Any]:
    """Return the declared type of each field of a dataclass."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
