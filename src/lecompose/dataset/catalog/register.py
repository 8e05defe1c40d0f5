"""Sources → relations: each source its own share, then all of them together."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from lecompose import formats
from lecompose.concurrency import Workers
from lecompose.dataset.catalog import custom_columns, lineage, tasks
from lecompose.dataset.catalog.batched import join_parts, make_batched
from lecompose.dataset.catalog.data_files import (
    DataFile,
    column_kinds,
    data_files,
    read_arrow_schema,
    read_from,
    require_file,
)
from lecompose.dataset.catalog.json_lists import is_plain, read_episode_lines
from lecompose.dataset.catalog.placement import PLACING, ReadOptions, choose_read_options, place_rows
from lecompose.dataset.catalog.relations import DATA_FILES, DATASETS, FEATURES
from lecompose.dataset.catalog.source import Source, name_file
from lecompose.engine import Engine
from lecompose.errors import ComposeError, QueryError, SourceBroken, collect, few

_FEW_FILES, _FEW_BYTES = 32, 2**20
# How the columns of an episode list end that say where a camera's clips are.
_POINTERS = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")


@dataclass(frozen=True)
class ClipColumns:
    """How the clips of a source are read, for one query to read those of many sources.

    `template` is that of its video files, `kinds` are the types of the columns that place clips.
    """

    cameras: tuple[str, ...]
    template: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class SourceFacts:
    """What one source has of the relations that are made of all sources at once."""

    source: Source
    files: tuple[DataFile, ...]
    reading: ReadOptions
    custom: custom_columns.CustomValues


def gather_facts(engine: Engine, source: Source) -> SourceFacts:
    """Return what a source has, before anything is made of it."""
    files = tuple(data_files(source))
    with read_from(source.root / "data"):
        reading = choose_read_options(source, files)
    _refuse_lacking(reading, files[0])
    return SourceFacts(source, files, reading, custom_columns.read_custom_columns(engine, source))


def _refuse_lacking(reading: ReadOptions, first: DataFile) -> None:
    """Refuse data files without the columns that place rows.

    Raises:
        SourceBroken: naming the columns.
    """
    lacking = [name for name, kind in zip(PLACING, reading.kinds, strict=True) if not kind]
    if lacking:
        is_counted = {"episode_index", "task_index"}.isdisjoint(lacking)
        anew = "--skip-broken, as lecompose repair, which counts frames anew"
        hint = anew if is_counted else "an export of the recording with these columns"
        raise SourceBroken(f"the data files have no {few(lacking)}", hint=hint, path=first.path)


def register_episodes(engine: Engine, sources: Sequence[Source]) -> None:
    """Make `declared`.

    Raises:
        SourceBroken: all of a kind together.
    """
    parts = [_episodes_v2(engine, source) for source in sources if not source.is_v3]
    alike: dict[tuple[str, ...], list[Source]] = {}
    held = collect(sources, _episode_kinds, what="sources")
    for source, kinds in zip(sources, held, strict=True):
        if source.is_v3:
            alike.setdefault(kinds, []).append(source)
    for n, group in enumerate(alike.values()):
        together = partial(_episodes_v3, engine)
        parts.append(make_batched(engine, f"declared_v3_{n}", group, together, folder="meta/episodes"))
    join_parts(engine, "declared", parts)


def _episodes_v2(engine: Engine, source: Source) -> str:
    file, relation = require_file(source.root / "meta" / "episodes.jsonl"), source.relation("declared")
    if is_plain(file):
        with suppress(SourceBroken, QueryError):  # whoever reads it line by line tells the line
            glob = formats.escaped_glob(str(file))
            engine.table(relation, "catalog/episodes_v2", src_dataset=source.name, file=glob)
            return relation
    engine.load(relation, read_episode_lines(file, source.name))
    return relation


def _episode_kinds(source: Source) -> tuple[str, ...]:
    """Return the types of the columns of an episode list; of v2.x, which has none, nothing.

    Raises:
        SourceBroken: naming the columns that are missing; DuckDB is less clear.
    """
    if not source.is_v3:
        return ()
    file = source.episode_files[0]
    kinds = dict(
        zip(
            formats.EPISODE_COLUMNS,
            column_kinds(read_arrow_schema(file), formats.EPISODE_COLUMNS),
            strict=True,
        )
    )
    lacking = sorted(name for name, kind in kinds.items() if not kind)
    if lacking:
        raise SourceBroken(f"the episode list has no column {few(lacking)}", path=file)
    return tuple(kinds.values())


def _episodes_v3(engine: Engine, relation: str, sources: Sequence[Source]) -> None:
    rows = [(str(path), source) for source in sources for path in source.episode_files]
    engine.table(
        relation,
        "catalog/episodes_v3",
        globs=[formats.escaped_glob(path) for path in dict.fromkeys(path for path, _ in rows)],
        files=[path for path, _ in rows],
        src_datasets=[source.name for _, source in rows],
    )


def register_clips(engine: Engine, sources: Sequence[Source]) -> None:
    """Make `clips`; `declared` of the sources must be there.

    Raises:
        SourceBroken: all of a kind together.
    """
    parts = [part for source in sources if not source.is_v3 for part in _clips_v2(engine, source)]
    found = collect(sources, _clip_columns, what="sources")
    alike: dict[ClipColumns, list[Source]] = {}
    for source, columns in zip(sources, found, strict=True):
        if columns is not None:
            alike.setdefault(columns, []).append(source)
    for n, (columns, group) in enumerate(alike.items()):
        together = partial(_clips_v3, engine, columns)
        parts.append(make_batched(engine, f"clips_v3_{n}", group, together, folder="meta/episodes"))
    join_parts(engine, "clips", parts)


def _clips_v2(engine: Engine, source: Source) -> Iterator[str]:
    for n, camera in enumerate(source.cameras):
        engine.table(
            source.relation(f"clips_{n}"),
            "catalog/clips_v2",
            {"declared": "declared"},
            src_dataset=source.name,
            root=str(source.root),
            template=_video_format(source),
            chunk_size=source.chunks_size,
            camera=camera.name,
        )
        yield source.relation(f"clips_{n}")


def _clip_columns(source: Source) -> ClipColumns | None:
    """Return how the clips of a source of v3.0 are read; None for one without, and for another version."""
    if not source.is_v3 or not source.cameras:
        return None
    with read_from(source.root / "meta" / "episodes"):
        first = read_arrow_schema(source.episode_files[0])
    template = _video_format(source)
    cameras = tuple(feature.name for feature in source.cameras)
    pointers = [column for camera in cameras for column in _pointers(camera).values()]
    lacking = [name for name in pointers if name not in first.names]
    if lacking:
        raise SourceBroken(f"the episode list has no column {few(lacking)}", path=source.episode_files[0])
    return ClipColumns(cameras, template, column_kinds(first, ["episode_index", "length", *pointers]))


def _pointers(camera: str) -> dict[str, str]:
    """Return the columns of an episode list that say where a camera's clips are, by their short names."""
    return {name: f"videos/{camera}/{name}" for name in _POINTERS}


def _clips_v3(engine: Engine, columns: ClipColumns, relation: str, sources: Sequence[Source]) -> None:
    rows = [(str(path), source) for source in sources for path in source.episode_files]
    engine.table(
        relation,
        "catalog/clips_v3",
        {name: [_pointers(camera)[name] for camera in columns.cameras] for name in _POINTERS},
        globs=[formats.escaped_glob(path) for path in dict.fromkeys(path for path, _ in rows)],
        files=[path for path, _ in rows],
        src_datasets=[source.name for _, source in rows],
        roots=[str(source.root) for _, source in rows],
        rates=[float(source.fps) for _, source in rows],
        template=columns.template,
        cameras=list(columns.cameras),
    )


def _video_format(source: Source) -> str:
    with name_file(source.root / "meta" / "info.json"):
        return formats.path_format(
            source.video_template, ("video_key", *formats.place_fields(source.version))
        )


def data_file_rows(files: Iterable[tuple[Source, DataFile]]) -> pa.Table:
    rows = [(source.name, str(file.path), file.size_bytes) for source, file in files]
    return _table(rows, DATA_FILES)


# All sources together ---------------------------------------------------------------------------


def register_sources(
    engine: Engine, sources: tuple[Source, ...], shares: Sequence[SourceFacts]
) -> custom_columns.CustomColumns:
    """Make the relations of all sources; what comes back tells of their custom columns."""
    engine.load("datasets", dataset_rows(sources))
    engine.load("features", feature_rows(sources))
    engine.load("data_files", data_file_rows(_files_of(shares)))
    workers = engine.workers()
    jobs = partial(_place, shares=shares, workers=workers), partial(_declare, sources=sources)
    if are_small(shares):
        for job in jobs:
            job(engine)
    else:
        _side_by_side(engine, workers, *jobs)
    numbered = [s for s in sources if s.has_subtasks]
    for source in numbered:
        tasks.register_subtasks(engine, source)
    for relation in ("subtasks", "subtask_uses") if numbered else ():
        engine.table(relation, "catalog/union", {"relations": [s.relation(relation) for s in numbered]})
    engine.table("episodes", "catalog/episodes")
    held = collect(sources, lambda source: lineage.register_source_lineage(engine, source), what="sources")
    join_parts(engine, "lineage", [relation for relation in held if relation])
    return custom_columns.register_custom(engine, [share.custom for share in shares])


def are_small(shares: Sequence[SourceFacts]) -> bool:
    """Return whether statements take longer to plan than to run: threads would only wait for each other."""
    sizes = [file.size_bytes for share in shares for file in share.files]
    return len(sizes) <= _FEW_FILES and sum(sizes) <= _FEW_BYTES


def _side_by_side(engine: Engine, workers: Workers, *jobs: Callable[[Engine], None]) -> None:
    """Do several things at once, each over a connection of its own.

    Raises:
        ComposeError: of the first of them that failed.
    """

    def settle(job: Callable[[Engine], None]) -> ComposeError | None:
        try:
            with engine.second_connection() as own:
                job(own)
        except ComposeError as error:
            return error
        return None

    for error in workers.each(jobs, settle):
        if error is not None:
            raise error


def _declare(engine: Engine, sources: Sequence[Source]) -> None:
    """Make what meta/ says, most of which is waiting for footers: `declared`, `tasks` and `clips`."""
    register_episodes(engine, sources)
    tasks.register_tasks(engine, sources)
    register_clips(engine, sources)


def _files_of(shares: Iterable[SourceFacts]) -> Iterator[tuple[Source, DataFile]]:
    return ((share.source, file) for share in shares for file in share.files)


def _place(engine: Engine, shares: Sequence[SourceFacts], workers: Workers) -> None:
    """Make `placement`.

    Raises:
        SourceBroken: naming every source whose data cannot be read.
    """
    alike: dict[ReadOptions, list[SourceFacts]] = {}
    for share in shares:
        alike.setdefault(share.reading, []).append(share)
    parts = []
    for n, (reading, group) in enumerate(alike.items()):
        files = {share.source.name: share.files for share in group}

        def together(
            relation: str,
            sources: Sequence[Source],
            reading: ReadOptions = reading,
            files: Mapping[str, Sequence[DataFile]] = files,
        ) -> None:
            rows = [(source, file) for source in sources for file in files[source.name]]
            place_rows(engine, relation, rows, reading, check=lambda: workers.advance(0))

        sources = [share.source for share in group]
        parts.append(make_batched(engine, f"placement_{n}", sources, together, folder="data"))
    join_parts(engine, "placement", parts)


def dataset_rows(sources: tuple[Source, ...]) -> pa.Table:
    rows = [
        (s.name, s.position, s.given, str(s.root), s.version, float(s.fps), _text(s.info.get("robot_type")))
        for s in sources
    ]
    return _table(rows, DATASETS)


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def feature_rows(sources: tuple[Source, ...]) -> pa.Table:
    rows = [
        (s.name, n, f.name, f.dtype, list(f.shape), json.dumps(f.spec.get("names")), json.dumps(f.info))
        for s in sources
        for n, f in enumerate(s.features)
    ]
    return _table(rows, FEATURES)


def _table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table of a schema."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
