"""Datasets held open, to be queried and read from Python."""

import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from lecompose.composition.named_sources import Sources, name_sources
from lecompose.composition.open_sources import leave_out_empty, open_complete, open_rest, suggest_way_out
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.query_views import BATCH_ROWS, Views, open_views
from lecompose.dataset.user_tables import Tables, parse_user_tables, read_user_tables
from lecompose.engine import Engine, open_engine, parse_size
from lecompose.errors import RequestError
from lecompose.files.scratch_folder import ScratchFolder

if TYPE_CHECKING:
    from lecompose.dataset.frames import Episodes, Frames
    from lecompose.training.dataset import TorchDataset


class Datasets:
    """One or more open datasets. Closed by `with`, by `close`, or when nothing holds it any more.

    Sources are only ever read, and nothing is written except by `save`. `notes` say what could not be read of
    damaged ones, and which sources are empty.
    """

    def __init__(
        self,
        paths: Sequence[Path | str],
        *,
        names: Sequence[str] | None = None,
        with_tables: Tables = (),
        skip_broken: bool = False,
        threads: int | None = None,
        memory: str | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        tables = parse_user_tables(with_tables)
        with ExitStack() as opened:
            self._folder = ScratchFolder()
            opened.callback(self._folder.remove)
            scratch = self._folder.path
            engine = opened.enter_context(
                closing(open_engine(scratch=scratch, threads=threads, memory=memory))
            )
            catalog, unread = _open(
                engine, paths, names, skip_broken, scratch=scratch, threads=threads, memory=memory
            )
            self._notes = (*notes, *unread)
            self._catalog = replace(catalog, tables=read_user_tables(tables, engine, scratch))
            opened.pop_all()  # frames for training may hold the folder longer
            self._opened = ExitStack()
            self._opened.callback(engine.close)
        self._end = weakref.finalize(self, self._opened.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything; streams that are still open end with an error."""
        self._end()
        self.__dict__.pop("_folder", None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read, and how the queries so far fit the tables that were given."""
        return (*self._notes, *self._catalog.tables.notes)

    @cached_property
    def _sandbox(self) -> Views:
        return self._opened.enter_context(open_views(self._catalog))

    @property
    def _views(self) -> Views:
        self._refuse_closed()
        return self._sandbox

    @cached_property
    def _frames(self) -> "Frames":
        from lecompose.dataset.frames import Frames  # queries do without

        return Frames(self._catalog)

    def _refuse_closed(self) -> None:
        if not self._end.alive:
            raise RequestError("these datasets are closed", hint="lecompose.open again")

    def query(self, sql: str) -> pa.Table:
        """Return what one SELECT over `episodes`, `frames`, `tasks`, `clips` … gives, in its order.

        Raises:
            QueryError: with the place in the SQL, and the names that exist.
            SourceBroken: for data that cannot be read.
        """
        return self._views.select(sql)

    def stream(self, sql: str, *, batch_rows: int = BATCH_ROWS) -> pa.RecordBatchReader:
        """Return what one SELECT gives as record batches of at most `batch_rows`, read as they are asked for.

        Raises what `query` raises; errors of the data while they are read.
        """
        opened = ExitStack()
        reader = opened.enter_context(self._views.stream(sql, batch_rows=batch_rows))
        return self._reader(reader, opened)

    def _reader(self, reader: pa.RecordBatchReader, opened: ExitStack) -> pa.RecordBatchReader:
        batches = self._keep_open(reader, opened)
        self._opened.callback(_end, weakref.ref(batches))
        return pa.RecordBatchReader.from_batches(reader.schema, batches)

    def _keep_open(
        self, reader: pa.RecordBatchReader, opened: ExitStack
    ) -> Generator[pa.RecordBatch, None, None]:
        # That this is a method keeps the datasets open as long as somebody reads.
        with opened:
            yield from reader

    def save(self, sql: str, path: Path | str, *, format: str | None = None, overwrite: bool = False) -> int:
        """Write what one SELECT gives to a new file, CSV, JSON or parquet; return the number of rows.

        Raises:
            OutputExists, OutputUnwritable: where the file cannot be written.
            RequestError: for a path in a dataset; other errors as of `query`.
        """
        return self._views.save(sql, Path(path).expanduser(), format=format, overwrite=overwrite)

    def frames(
        self,
        episodes: "Episodes | None" = None,
        columns: Sequence[str] | None = None,
        *,
        batch_rows: int | None = None,
    ) -> pa.RecordBatchReader:
        """Return the frames of `episodes` as record batches, in the order asked for, with their exact types.

        Episodes are numbers, or (src_dataset, number) of several datasets; repeated or in any order; all of
        them by default. `columns` are features, `src_dataset`, `src_episode` and `task`.

        Raises:
            UnknownEpisode, RequestError: with every episode or name that is not there.
            SourceBroken: for data that cannot be read.
        """
        self._refuse_closed()
        reader = self._frames.read(episodes, columns, batch_rows=batch_rows)
        return self._reader(reader, ExitStack())

    def to_torch(
        self,
        episodes: "Episodes | None" = None,
        delta_timestamps: Mapping[str, Sequence[float]] | None = None,
        *,
        features: Sequence[str] | None = None,
        image_transforms: Callable[[Any], Any] | None = None,
        tolerance_s: float = 1e-4,
        video_backend: str | None = None,
        return_uint8: bool = False,
        depth_output_unit: str = "mm",
        cache: str = "256MB",
        weights: Mapping[str, float] | None = None,
        seed: int | str = 0,
    ) -> "TorchDataset":
        """Return the frames of `episodes` as a map-style dataset for PyTorch, as LeRobotDataset gives them.

        Its arguments are LeRobotDataset's too. Items follow the episodes in the order asked for; `features`
        are those that are read, all by default, and those of every dataset always. Nothing is copied to
        disk; in each process about `cache` of decoded rows is held. What comes back needs these datasets no
        longer, and may go to workers that are forked or spawned; files that change meanwhile are refused.
        With `weights` of several datasets, {"a": 0.5, "b": 0.5}, its `sampler` draws from each of them by its
        share, in an order that the `seed` decides: DataLoader(dataset, 32, sampler=dataset.sampler).
        Needs PyTorch: `pip install torch`; torchcodec, where it is there, decodes videos, else PyAV does.

        Raises:
            UnknownEpisode, RequestError: for what is not there.
            FeatureMismatch: for datasets whose features differ.
            SourceBroken: for data that cannot be read.
        """
        self._refuse_closed()
        try:
            from lecompose.training.dataset import PictureOptions, TorchDataset
            from lecompose.training.selection import select_episodes
        except ImportError as error:
            raise RequestError(str(error), hint="pip install torch") from error
        options = PictureOptions(
            image_transforms, tolerance_s, video_backend, return_uint8, depth_output_unit
        )
        most_bytes = parse_size("cache", str(cache), least=10**6)
        if isinstance(features, str):
            raise RequestError(f'features is "{features}"; a list is needed', hint=f'["{features}"]')
        chosen = select_episodes(self._catalog, self._frames, episodes, features)
        lies_there = any(s.root.is_relative_to(self._folder.path) for s in self._catalog.sources)
        holds = self._folder if lies_there else None
        return TorchDataset(
            chosen, delta_timestamps, options, most_bytes, weights=weights, seed=seed, holds=holds
        )


def _open(
    engine: Engine,
    paths: Sequence[Path | str],
    names: Sequence[str] | None,
    skip_broken: bool,
    *,
    scratch: Path,
    threads: int | None,
    memory: str | None,
) -> tuple[Catalog, tuple[str, ...]]:
    """Return the datasets, and notes of what cannot be read of them."""
    if skip_broken:
        rest = open_rest(engine, paths, names=names, scratch=scratch, threads=threads, memory=memory)
        return rest.catalog, tuple(rest.notes())
    with suggest_way_out("skip_broken=True (--skip-broken), which reads the rest"):
        catalog, derived = open_complete(engine, paths, names=names, scratch=scratch)
    unusable = (f'source "{s.name}", {line}' for s in catalog.sources for line in s.describe_unusable())
    return catalog, (*(source.note for source in derived), *unusable)


def _end(batches: "weakref.ref[Generator[pa.RecordBatch, None, None]]") -> None:
    """Let a stream go that was not read to its end: DuckDB complains of what is still open at exit."""
    stream = batches()
    if stream is not None:
        stream.close()


def open(
    sources: Sources,
    *,
    with_tables: Tables = (),
    skip_broken: bool = False,
    threads: int | None = None,
    memory: str | None = None,
) -> Datasets:
    """Return the datasets, open for `.query(sql)` and `.frames(episodes)`; nothing is written anywhere.

    `with_tables` are tables of yours that SQL may ask beside ours, by name: the path of a CSV, parquet or
    JSON lines file, a pyarrow.Table, a DataFrame. With `skip_broken`, damaged ones are
    read without the episodes that `repair` would leave out; `.notes` say which.

    Raises:
        SourceError: where one cannot be read.
    """
    given, empty = leave_out_empty(name_sources(sources))
    return Datasets(
        given.paths,
        names=given.names,
        with_tables=with_tables,
        skip_broken=skip_broken,
        threads=threads,
        memory=memory,
        notes=empty,
    )


def query(
    sources: Sources,
    sql: str,
    *,
    with_tables: Tables = (),
    skip_broken: bool = False,
    threads: int | None = None,
    memory: str | None = None,
) -> pa.Table:
    """Return what one SELECT over `episodes`, `frames`, `tasks`, `clips` … gives, as an Arrow table in order.

    `with_tables` are tables of yours that SQL may ask beside ours, as of `open`.
    With `skip_broken`, damaged datasets are read without the episodes that `repair` would leave out.

    Raises:
        QueryError: for SQL that DuckDB refuses, or that would do anything but read the sources.
    """
    with open(
        sources, with_tables=with_tables, skip_broken=skip_broken, threads=threads, memory=memory
    ) as datasets:
        return datasets.query(sql)
