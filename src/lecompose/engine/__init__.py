"""One DuckDB connection that runs the statements of `sql/` by name. No other package imports duckdb."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from lecompose.concurrency import Progress, Silent, Workers
from lecompose.engine.duckdb_errors import translate_errors
from lecompose.engine.templates import quote_name, render
from lecompose.errors import ComposeError, RequestError

Context = Mapping[str, object]
T = TypeVar("T")

# How often a statement is told to stop until it has: it may just have been between two steps.
_PATIENCE_S = 0.05


class Engine:
    """A private in-memory database.

    `threads` are those of DuckDB, and of every stage beside it. `memory`, as "4GB", is that of the whole
    process, `memory_bytes` DuckDB's part of it; it spills into `scratch`.
    Every call names a template of `sql/`; `context` shapes it (names, blocks), keyword values are
    bound. Results are read to the end before a call returns, but for `stream`, which has a cursor
    of its own. Safe to share between threads for `stream`, `run`, `rows_apart`, `aside` and `interrupt`.
    """

    def __init__(self, *, scratch: Path, threads: int | None = None, memory: str | None = None) -> None:
        self.memory = memory
        self.scratch = scratch
        config: dict[str, Any] = {"temp_directory": str(scratch), "autoinstall_known_extensions": "false"}
        if threads is not None:
            config["threads"] = threads
        if memory is not None:
            config["memory_limit"] = f"{parse_size('memory', memory, least=_LEAST_MEMORY) - _PROCESS_BYTES}B"
        with translate_errors("engine settings", wrong=RequestError):
            self._con = duckdb.connect(":memory:", config=config)
        self._made: set[str] = set()
        self._apart = count()
        self._database: str | None = None
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._cursors_lock = threading.Lock()
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="lecompose-engine")
        self._working = threading.Lock()
        # COPY marks columns REQUIRED where statistics show no NULL: two files of one dataset could differ.
        self._con.execute("set disabled_optimizers = 'statistics_propagation'")
        # Read once: the connection serves one thread at a time.
        self.threads = int(self._setting("threads"))
        self.memory_bytes = _bytes(str(self._setting("memory_limit")))

    def close(self) -> None:
        self._beside.shutdown(wait=False, cancel_futures=True)
        with self._idle():
            if self._database is not None:
                self._con.execute(f"use memory; detach {self._database}")
            self._con.close()

    @contextmanager
    def second_database(self) -> Iterator["Engine"]:
        """An engine with relations of its own, and the threads and the memory of this one.

        Another instance of DuckDB takes longer to come up than a small dataset to read.
        """
        engine = copy(self)
        engine._con = self._con.cursor()
        engine._database = f"apart_{next(self._apart)}"
        engine._made, engine._cursors, engine._working = set(), set(), threading.Lock()
        engine._beside = ThreadPoolExecutor(1, thread_name_prefix="lecompose-engine")
        engine._con.execute(f"attach ':memory:' as {engine._database}; use {engine._database}")
        try:
            yield engine
        finally:
            engine.close()

    @contextmanager
    def second_connection(self) -> Iterator["Engine"]:
        """This engine for another thread: the same relations, over a connection of its own."""
        with self._cursor() as cursor:
            engine = copy(self)
            engine._con = cursor
            yield engine

    def workers(self, progress: Progress | None = None) -> Workers:
        """Threads as many as the engine's own, whose queries end at once where one of them fails."""
        return Workers(self.threads, self.memory_bytes, self.scratch, self.interrupt, progress or Silent())

    @contextmanager
    def _idle(self) -> Iterator[None]:
        """Nothing runs beside the main thread: what did was told to end, and has."""
        while not self._working.acquire(timeout=_PATIENCE_S):
            self.interrupt()
        try:
            yield
        finally:
            self._working.release()

    def interrupt(self) -> None:
        """End the statements that other threads are running; they see a KeyboardInterrupt."""
        with self._cursors_lock:
            for con in (self._con, *self._cursors):
                con.interrupt()

    def waited(self, do: Callable[[], T]) -> T:
        """What `do` gives, beside the main thread where that calls: DuckDB would heed Ctrl-C only when done.

        Errors: KeyboardInterrupt, after what DuckDB was doing has ended.
        """
        if threading.current_thread() is not threading.main_thread():
            return do()

        def job_of_its_own() -> T:
            with self._working:
                return do()

        job = None
        try:
            job = self._beside.submit(job_of_its_own)
            return job.result()
        except BaseException:
            if job is not None:
                job.cancel()
            with self._idle():
                raise

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own for one thread."""
        with self._con.cursor() as cursor:
            if self._database is not None:
                cursor.execute(f"use {self._database}")
            with self._cursors_lock:
                self._cursors.add(cursor)
            try:
                yield cursor
            finally:
                with self._cursors_lock:
                    self._cursors.discard(cursor)

    @property
    def memory_left(self) -> str | None:
        """The `memory` of another engine beside this one, which keeps what it holds."""
        if self.memory is None:
            return None
        used = int(self._value("select coalesce(sum(memory_usage_bytes), 0) from duckdb_memory()"))
        return f"{max(_LEAST_MEMORY, parse_size('memory', self.memory, least=0) - used)}B"

    def _setting(self, name: str) -> Any:
        return self._value("select current_setting($name)", name=name)

    def _value(self, sql: str, **values: object) -> Any:
        # fetchall, not fetchone: a half-read result blocks the connection.
        return self._con.execute(sql, values).fetchall()[0][0]

    def has(self, *relations: str) -> bool:
        """Whether all of them have been made. Asked of DuckDB, it would first make all of its own."""
        return self._made.issuperset(relations)

    def load(self, relation: str, rows: pa.Table) -> None:
        """Copy an Arrow table into the database as `relation`."""
        with translate_errors(relation):
            self.waited(lambda: self._con.from_arrow(rows).create(relation))
        self._made.add(relation)

    def table(
        self, relation: str, template: str, context: Context | None = None, /, **values: object
    ) -> None:
        """Materialise what a template gives as the table `relation`."""
        # One statement is bound once, a relation of DuckDB's when it is made and again when it is used.
        with translate_errors(template):
            sql = f"create table {quote_name(relation)} as\n{render(template, **(context or {}))}"
            self.waited(lambda: self._con.execute(sql, values).fetchall())
        self._made.add(relation)

    def drop(self, *relations: str) -> None:
        """Give back the memory of tables that nothing will read again."""
        for relation in relations:
            with translate_errors(relation):
                self._con.execute(f"drop table {quote_name(relation)}")
            self._made.discard(relation)

    def rename(self, relation: str, to: str) -> None:
        """Give a table another name."""
        with translate_errors(relation):
            self._con.execute(f"alter table {quote_name(relation)} rename to {quote_name(to)}")
        self._made.discard(relation)
        self._made.add(to)

    def view(self, relation: str, template: str, context: Context | None = None, /, **values: object) -> None:
        """Name what a template gives `relation`, to be computed at each read."""
        with translate_errors(template):
            self._relation(self._con, template, context, values).create_view(relation)
        self._made.add(relation)

    def arrow(self, template: str, context: Context | None = None, /, **values: object) -> pa.Table:
        """All rows as an Arrow table."""
        with translate_errors(template):
            found = self._relation(self._con, template, context, values)
            return self.waited(found.to_arrow_table)

    def rows(
        self, template: str, context: Context | None = None, /, **values: object
    ) -> list[dict[str, Any]]:
        """All rows as dicts."""
        with translate_errors(template):
            return self._rows(self._con, template, context, values)

    def records(
        self, template: str, cls: type[T], context: Context | None = None, /, **values: object
    ) -> list[T]:
        """Return each row as a `cls`, a dataclass whose fields are the columns of the result, in order.

        Raises:
            TypeError: if the fields are others than the columns.
        """
        sql = render(template, **(context or {}))
        with translate_errors(template):
            names, rows = self.waited(lambda: _fetched(self._con.execute(sql, values)))
        wanted = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # no type says: a dataclass
        if names != wanted:
            raise TypeError(f"{template} gives the columns {names}, {cls.__name__} has the fields {wanted}")
        return [cls(*row) for row in rows]

    def rows_apart(
        self, template: str, context: Context | None = None, /, **values: object
    ) -> list[dict[str, Any]]:
        """The same on a cursor of its own: threads may ask at once."""
        with translate_errors(template), self._cursor() as cursor:
            return self._rows(cursor, template, context, values)

    def _rows(
        self,
        con: duckdb.DuckDBPyConnection,
        template: str,
        context: Context | None,
        values: dict[str, object],
    ) -> list[dict[str, Any]]:
        sql = render(template, **(context or {}))
        names, rows = self.waited(lambda: _fetched(con.execute(sql, values)))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def run(self, template: str, context: Context | None = None, /, **values: object) -> None:
        """Execute a statement that gives no rows (COPY)."""
        with translate_errors(template, writing=True), self._cursor() as cursor:
            sql = render(template, **(context or {}))
            self.waited(lambda: cursor.execute(sql, values).fetchall())

    @contextmanager
    def stream(
        self, template: str, context: Context | None = None, /, *, batch_rows: int, **values: object
    ) -> Iterator[pa.RecordBatchReader]:
        """Record batches of at most `batch_rows`, in row order, read lazily on a cursor of their own."""
        with translate_errors(template), self._cursor() as cursor:
            found = self._relation(cursor, template, context, values)
            yield self.waited(lambda: found.to_arrow_reader(batch_rows))

    def copy_batches(
        self, schema: pa.Schema, batches: Iterator[pa.RecordBatch], template: str, /, **values: object
    ) -> None:
        """COPY record batches of `schema`, in order; the template reads them as `batches`.

        Errors: what `batches` raises, as it raised it.
        """
        failed: list[Exception] = []

        def guarded() -> Iterator[pa.RecordBatch]:
            try:
                yield from batches
            except Exception as error:  # DuckDB would pass on no more than its text
                failed.append(error)
                raise

        try:
            with translate_errors(template, writing=True), self._cursor() as cursor:
                cursor.register("batches", pa.RecordBatchReader.from_batches(schema, guarded()))
                cursor.execute(render(template), values).fetchall()
        except ComposeError:
            if failed:
                raise failed[0] from None
            raise

    @staticmethod
    def _relation(
        con: duckdb.DuckDBPyConnection, template: str, context: Context | None, values: dict[str, object]
    ) -> duckdb.DuckDBPyRelation:
        return con.sql(render(template, **(context or {})), params=values)


def _fetched(con: duckdb.DuckDBPyConnection) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of a result's columns, and its rows."""
    return [column[0] for column in con.description or ()], con.fetchall()


_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_LEAST_MEMORY = 400 * 10**6
# Python, the libraries, and what they hold beside DuckDB.
_PROCESS_BYTES = 300 * 2**20


def parse_size(name: str, size: str, *, least: int) -> int:
    """A size such as 4GB. Errors: RequestError, with its `name`, for what is none, or too little."""
    said = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B\s*", size, re.IGNORECASE)
    base = 1024 if said and said[3] else 1000
    found = int(float(said[1]) * base ** _UNITS[said[2].upper()]) if said else 0
    if found < least:
        raise RequestError(f'{name} "{size}": a size of at least {least // 10**6}MB is needed, such as 4GB')
    return found


def _bytes(text: str) -> int:
    """A size as DuckDB prints it."""
    number, unit = text.split()
    return int(float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit))
