"""Features beside task_index that hold task numbers, as GR00T's tools write them: which, and their numbers.

Source: published sets of GR00T. `annotation.human.validity` and the like number the task list, also texts
that no task_index uses; `meta/modality.json` lists annotations, by what follows "annotation." or with the
feature as `original_key`. pandas makes floats of integers with nulls, so whole floats are numbers, too.
"""

from collections.abc import Mapping
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
# Source: annotation.human.task_description, .validity, .coarse_action and .action.* of GR00T's tools.
_USUAL_PREFIX = "annotation.human."
_MODALITY_BYTES = 2**24


@dataclass(frozen=True)
class Candidate:
    """A feature that looks as if it held task numbers; `is_declared` where meta/modality.json says so.

    It cannot be one unless `is_number`: one number a frame.
    """

    feature: Feature
    is_declared: bool

    @property
    def is_number(self) -> bool:
        return holds_number(self.feature)


def holds_number(feature: Feature) -> bool:
    """Return whether a feature is one number a frame, of a type that has whole ones."""
    return feature.shape in ((), (1,)) and (is_integer(feature) or is_floating(feature))


def is_integer(feature: Feature) -> bool:
    """Return whether a feature's numbers are whole."""
    return feature.is_numeric and feature.dtype.lstrip("u").startswith("int")


def is_floating(feature: Feature) -> bool:
    """Return whether a feature's numbers can have fractions."""
    return feature.dtype in ("float32", "float64")


def is_usual_name(name: str) -> bool:
    """Return whether GR00T's tools call task numbers so, which other values are not called."""
    return name.startswith(_USUAL_PREFIX)


def list_candidates(source: Source) -> list[Candidate]:
    """Return the features that are called, or declared, as those are that hold task numbers."""
    declared = set(_list_declared(source))
    return [
        Candidate(feature, feature.name in declared)
        for feature in source.columns
        if feature.name not in formats.DEFAULT_FEATURES
        and (is_integer(feature) or holds_number(feature))
        and (feature.name in declared or feature.name.startswith(_PREFIX))
    ]


def _list_declared(source: Source) -> list[str]:
    """Return the features that meta/modality.json lists as annotations; none where it cannot be read."""
    path = source.root / formats.MODALITY_PATH
    if not path.is_file():
        return []
    try:
        return list_annotations(read_json(path, most_bytes=_MODALITY_BYTES))
    except SourceBroken:
        return []


def list_annotations(modality: Mapping[str, Any]) -> list[str]:
    """Return the features that a modality.json lists as annotations."""
    said = modality.get("annotation")
    names = []
    for key, entry in said.items() if isinstance(said, Mapping) else ():
        told: Any = entry.get("original_key") if isinstance(entry, Mapping) else None
        names.append(told if isinstance(told, str) and told else f"{_PREFIX}{key}")
    return names


def read_uses(engine: Engine, source: Source, name: str) -> pa.Table | None:
    """Return the numbers of a feature in each episode, as `USES`; below 0 and NaN are none.

    None where the files lack the feature, or it has other than whole numbers.

    Raises:
        SourceBroken: where data files cannot be read.
    """
    frames = frames_relation(engine, source)
    if not _is_stored(dict(engine.column_types(frames)).get(name)):
        return None
    context = {"frames": frames, "column": name}
    uses = engine.arrow("catalog/task_column_uses", context, feature=name).cast(USES)
    return None if uses["src_task"].null_count else uses


def _is_stored(sql_type: str | None) -> bool:
    """Return whether a column of this type holds one number a row."""
    types = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE")
    return sql_type is not None and sql_type.removeprefix("U") in types


def list_texts(engine: Engine, source: Source) -> dict[int, str]:
    """Return the text of each task number that has exactly one."""
    found = engine.read("tasks", ("src_task", "task"), where=("src_dataset", source.name))
    texts: dict[int, set[str]] = {}
    for number, text in zip(*(column.to_pylist() for column in found.columns), strict=True):
        if number is not None and text is not None:
            texts.setdefault(number, set()).add(text)
    return {number: next(iter(held)) for number, held in texts.items() if len(held) == 1}
