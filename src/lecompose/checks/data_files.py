"""The data files of a dataset that may be damaged: which can be read, and where their rows lie."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose import formats
from lecompose.checks.faults import NO_DAMAGE, Damage, Fault, as_damage, unreadable
from lecompose.checks.footers import Footers
from lecompose.dataset.catalog import Source
from lecompose.dataset.catalog.data_files import DataFile
from lecompose.dataset.catalog.placement import choose_read_options, place_rows
from lecompose.dataset.catalog.relations import PLACEMENT
from lecompose.engine import Engine
from lecompose.engine.duckdb_errors import first_line
from lecompose.errors import ComposeError, QueryError, SourceBroken
from lecompose.files.clutter import glob_files
from lecompose.files.parquet.damage import payload_bytes, read_footer, read_pages

_NUMBERED = ("episode_index", "frame_index", "index", "task_index", "timestamp")
_PLACED = "placement_of_readable"
_Read: TypeAlias = tuple[DataFile, pq.FileMetaData]


@dataclass(frozen=True)
class Data:
    """What can be read of a dataset's data files; `source` is the one by whose template they are found."""

    source: Source
    files: tuple[DataFile, ...]
    footers: Footers
    placement: pa.Table
    damage: Damage


@dataclass(frozen=True)
class _MissingFile:
    """A data file that metadata names and that has no rows, for some episodes."""

    data_file: str
    first_episode: int
    episodes: int


def read_data(engine: Engine, source: Source, *, is_expected: bool) -> Data:
    """Return what can be read of the data files; without any, that is a fault where one `is_expected`."""
    source, paths, found = _find_files(source, is_expected=is_expected)
    read = engine.workers().each(paths, partial(_read_file, source))
    whole = [file for file in read if not isinstance(file, Fault)]
    found |= as_damage(*(fault for fault in read if isinstance(fault, Fault)))
    placeable = [file for file, metadata in whole if _is_placeable(metadata)]
    tables, unread = _place(engine, source, placeable)
    if len(placeable) < len(whole):  # `columns` tells of the others
        found |= Damage(silent=frozenset({"placement"}))
    return Data(
        source,
        tuple(file for file, _ in whole),
        {file.path: metadata for file, metadata in whole},
        pa.concat_tables([PLACEMENT.empty_table(), *tables]),
        found | unread,
    )


def _find_files(source: Source, *, is_expected: bool) -> tuple[Source, Sequence[Path], Damage]:
    """Return the data files by their template, or by the usual one where that finds none."""
    usual, template = formats.usual_data_path(source.version), source.data_template
    paths = glob_files(source.root, formats.path_glob(template))
    if paths:
        return source, paths, NO_DAMAGE
    if template != usual and (paths := glob_files(source.root, formats.path_glob(usual))):
        problem = f'data_path is "{template}", the files are named as "{usual}"'
        misnamed = Fault("path_templates", source.root / "meta/info.json", problem)
        return replace(source, info={**source.info, "data_path": usual}), paths, as_damage(misnamed)
    if not is_expected:
        return source, (), NO_DAMAGE
    problem = f"no data file matches {formats.path_glob(template)}"
    folder = source.root / "data"
    missing = Fault("data_readable", folder, problem, lacks="placement", is_unreadable=True)
    return source, (), as_damage(missing)


def _read_file(source: Source, path: Path) -> _Read | Fault:
    try:
        file = DataFile(path, payload_bytes(path))
        metadata = read_footer(path)
        read_pages(path, metadata)
        return file, metadata
    except SourceBroken as error:
        return _lost(source, path, error)


def _lost(source: Source, path: Path, error: ComposeError) -> Fault:
    return unreadable("data_readable", path, error, episode=_episode_of(source, path), lacks="placement")


def _episode_of(source: Source, path: Path) -> int | None:
    """Return the episode that a data file of v2.x has in its name."""
    number = re.search(r"(\d+)$", path.stem)
    return int(number[1]) if number and not source.is_v3 else None


# Where rows lie -----------------------------------------------------------------------------------


def _is_placeable(metadata: pq.FileMetaData) -> bool:
    """Return whether a file has the columns by which rows are placed, as numbers."""
    schema = metadata.schema.to_arrow_schema()
    return all(name in schema.names and _is_number(schema.field(name).type) for name in _NUMBERED)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _place(engine: Engine, source: Source, files: Sequence[DataFile]) -> tuple[list[pa.Table], Damage]:
    """Return where episodes lie in these files; where they cannot be read together, half by half."""
    if not files:
        return [], NO_DAMAGE
    try:
        mine = [(source, file) for file in files]
        place_rows(engine, _PLACED, mine, choose_read_options(source, files))
        found = engine.read(_PLACED, PLACEMENT.names, order=["src_dataset", "src_episode"])
        engine.drop(_PLACED)
        return [found.cast(PLACEMENT)], NO_DAMAGE
    except (SourceBroken, QueryError) as error:
        if len(files) == 1:
            return [], as_damage(_lost(source, files[0].path, _page_error(error)))
    half = len(files) // 2
    first, lost = _place(engine, source, files[:half])
    second, also_lost = _place(engine, source, files[half:])
    return first + second, lost | also_lost


def _page_error(error: ComposeError) -> SourceBroken:
    """Return why DuckDB could not read the pages of a file, without the path, which a finding has itself."""
    line = re.sub(r'(?:in|of|reading|read)? ?file "[^"]*"', "", first_line(error))
    return SourceBroken("its pages cannot be read", reason=" ".join(line.split()).replace(os.sep + " ", " "))


# Files that are not there -------------------------------------------------------------------------


def find_missing_files(engine: Engine, source: Source) -> Damage:
    """Return the data files that are named for episodes whose rows are nowhere, and that are not there.

    Reads the relations `declared` and `placement`.
    """
    values: Mapping[str, object] = {
        "data_format": _data_format(source),
        "chunks_size": source.chunks_size,
        "is_v3": source.is_v3,
    }
    missing = [
        (source.root / row.data_file, row)
        for row in engine.records("verify/missing_data_files", _MissingFile, **values)
    ]
    faults = [_missing(path, row) for path, row in missing if not path.exists()]
    return as_damage(*faults)


def _data_format(source: Source) -> str:
    return formats.path_format(source.data_template, formats.place_fields(source.version))


def _missing(path: Path, row: _MissingFile) -> Fault:
    more = "" if row.episodes == 1 else f"; so for {row.episodes} episodes"
    return Fault("data_readable", path, f"it is missing{more}", row.first_episode, lacks="placement")
