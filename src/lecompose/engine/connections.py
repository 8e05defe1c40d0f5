"""The connections to one database, and waiting for DuckDB so that Ctrl-C ends what it does."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

import duckdb

T = TypeVar("T")

# How often a statement is told to stop until it has: it may just have been between two steps.
_PATIENCE_S = 0.05
_databases = count()


class Connections:
    """The main connection to a database, and those that threads open beside it."""

    def __init__(self, main: duckdb.DuckDBPyConnection) -> None:
        self.main = main
        self._database: str | None = None
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._free: list[duckdb.DuckDBPyConnection] = []
        self._lock = threading.Lock()

    def to_new_database(self) -> "Connections":
        """Return connections to an empty database beside this one, in the same instance of DuckDB."""
        new = Connections(self.main.cursor())
        new._database = f"beside_{next(_databases)}"
        new.main.execute(f"attach ':memory:' as {new._database}; use {new._database}")
        return new

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection for one thread, closed at the end."""
        with self._open() as cursor, self._in_use(cursor):
            yield cursor

    @contextmanager
    def cursor_for_statement(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one statement that is read to its end; another statement may have it next."""
        try:
            cursor = self._free.pop()
        except IndexError:
            cursor = self._open()
        try:
            with self._in_use(cursor):
                yield cursor
        except BaseException:
            cursor.close()
            raise
        self._free.append(cursor)

    def _open(self) -> duckdb.DuckDBPyConnection:
        cursor = self.main.cursor()
        if self._database is not None:
            cursor.execute(f"use {self._database}")
        return cursor

    @contextmanager
    def _in_use(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Meanwhile `interrupt` ends what the cursor does."""
        with self._lock:
            self._cursors.add(cursor)
        try:
            yield
        finally:
            with self._lock:
                self._cursors.discard(cursor)

    def interrupt(self) -> None:
        """End the statements that other threads are running; they see a KeyboardInterrupt."""
        with self._lock:
            for con in (self.main, *self._cursors):
                con.interrupt()

    def close(self) -> None:
        for cursor in self._free:
            cursor.close()
        if self._database is not None:
            self.main.execute(f"use memory; detach {self._database}")
        self.main.close()


class InterruptibleWait:
    """Runs what takes long beside the main thread: DuckDB would heed Ctrl-C only when it is done."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="lecompose-engine")
        self._working = threading.Lock()

    def run(self, do: Callable[[], T]) -> T:
        """Return what `do` gives; the main thread waits for it on another one.

        Raises:
            KeyboardInterrupt: after what DuckDB was doing has ended.
        """
        if threading.current_thread() is not threading.main_thread():
            return do()

        def work() -> T:
            with self._working:
                return do()

        job = None
        try:
            job = self._beside.submit(work)
            return job.result()
        except BaseException:
            if job is not None:
                job.cancel()
            with self._idle():
                raise

    def close(self, then: Callable[[], None]) -> None:
        """End what runs, and do something while nothing can."""
        self._beside.shutdown(wait=False, cancel_futures=True)
        with self._idle():
            then()

    @contextmanager
    def _idle(self) -> Iterator[None]:
        """Nothing runs beside the main thread: what did was told to end, and has."""
        while not self._working.acquire(timeout=_PATIENCE_S):
            self._interrupt()
        try:
            yield
        finally:
            self._working.release()
