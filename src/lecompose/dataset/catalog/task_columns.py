"""Features beside task_index that hold task numbers, as GR00T's tools write them: which, and their numbers.

Source: published sets of GR00T. `annotation.human.validity` and the like number the task list, also texts
that no task_index uses; `meta/modality.json` lists annotations, by what follows "annotation." or with the
feature as `original_key`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lecompose import formats
from lecompose.dataset.catalog.frames import frames_relation
from lecompose.dataset.catalog.source import Source
from lecompose.engine import Engine
from lecompose.errors import SourceBroken
from lecompose.files.json_files import read_json
from lecompose.formats import Feature

USES = pa.schema(
    {
        "src_dataset": pa.string(),
        "src_episode": pa.int64(),
        "feature": pa.string(),
        "src_task": pa.int64(),
    }
)
_PREFIX = "annotation."
_MODALITY_BYTES = 2**24


@dataclass(frozen=True)
class Candidate:
    """A feature that looks as if it held task numbers; `is_declared` where meta/modality.json says so.

    It cannot be one unless `is_number`: one whole number a frame.
    """

    feature: Feature
    is_declared: bool

    @property
    def is_number(self) -> bool:
        return holds_number(self.feature)


def holds_number(feature: Feature) -> bool:
    """Return whether a feature is one whole number a frame."""
    return is_integer(feature) and feature.shape in ((), (1,))


def is_integer(feature: Feature) -> bool:
    """Return whether a feature's numbers are whole."""
    return feature.is_numeric and feature.dtype.lstrip("u").startswith("int")


def list_candidates(source: Source) -> list[Candidate]:
    """Return the features that are called, or declared, as those are that hold task numbers."""
    declared = set(_list_declared(source))
    return [
        Candidate(feature, feature.name in declared)
        for feature in source.columns
        if feature.name not in formats.DEFAULT_FEATURES
        and is_integer(feature)
        and (feature.name in declared or feature.name.startswith(_PREFIX))
    ]


def _list_declared(source: Source) -> Iterator[str]:
    """Yield the features that meta/modality.json lists as annotations; none where it cannot be read."""
    path = source.root / formats.MODALITY_PATH
    if not path.is_file():
        return
    try:
        said = read_json(path, most_bytes=_MODALITY_BYTES).get("annotation")
    except SourceBroken:
        return
    for key, entry in said.items() if isinstance(said, Mapping) else ():
        told: Any = entry.get("original_key") if isinstance(entry, Mapping) else None
        yield told if isinstance(told, str) and told else f"{_PREFIX}{key}"


def read_uses(engine: Engine, source: Source, feature: Feature) -> pa.Table | None:
    """Return the numbers of each episode, as `USES`; below 0 is none. None where the files lack the feature.

    Raises:
        SourceBroken: where data files cannot be read.
    """
    frames = frames_relation(engine, source)
    if not _is_stored(dict(engine.column_types(frames)).get(feature.name)):
        return None
    context = {"frames": frames, "column": feature.name}
    return engine.arrow("catalog/task_column_uses", context, feature=feature.name).cast(USES)


def _is_stored(sql_type: str | None) -> bool:
    """Return whether a column of this type holds one whole number a row."""
    return sql_type is not None and sql_type.lstrip("U") in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


def list_texts(engine: Engine, source: Source) -> dict[int, str]:
    """Return the text of each task number that has exactly one."""
    found = engine.read("tasks", ("src_task", "task"), where=("src_dataset", source.name))
    texts: dict[int, set[str]] = {}
    for number, text in zip(*(column.to_pylist() for column in found.columns), strict=True):
        if number is not None and text is not None:
            texts.setdefault(number, set()).add(text)
    return {number: next(iter(held)) for number, held in texts.items() if len(held) == 1}
