"""One DuckDB database, and the statements of `sql/` run in it by name. No other package imports duckdb."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from lecompose.concurrency import Progress, Silent, Workers
from lecompose.engine.connections import Connections, InterruptibleWait
from lecompose.engine.duckdb_errors import translate_errors
from lecompose.engine.resources import LEAST_MEMORY, Resources, connect, parse_size
from lecompose.engine.templates import quote_name, render
from lecompose.errors import ComposeError

__all__ = ["Context", "Engine", "open_engine", "parse_size"]

Context = Mapping[str, object]
T = TypeVar("T")


def open_engine(*, scratch: Path, threads: int | None = None, memory: str | None = None) -> "Engine":
    """Return an engine with a new database, which spills into `scratch`.

    `memory`, as "4GB", is that of the whole process.

    Raises:
        RequestError: if a setting is none, or too small.
    """
    con, resources = connect(scratch=scratch, threads=threads, memory=memory)
    return Engine(resources, Connections(con))


class Engine:
    """A private in-memory database, and its relations.

    Statements are templates of `sql/`: `context` shapes them (names, blocks), keyword values are bound.
    Results are read to the end before a call returns, but for `stream`.
    What only reads, `run` and `second_connection` have connections of their own: threads may share them.
    """

    def __init__(
        self, resources: Resources, connections: Connections, *, shared: "Engine | None" = None
    ) -> None:
        """`shared` is the engine whose relations this one has, over the `connections` of a thread."""
        self.resources = resources
        self.scratch = resources.scratch
        self.threads = resources.threads
        self.memory_bytes = resources.memory_bytes
        self.connections = connections
        self.con = connections.main
        self.wait: InterruptibleWait = shared.wait if shared else InterruptibleWait(connections.interrupt)
        self._relations: set[str] = shared._relations if shared else set()

    def close(self) -> None:
        self.wait.close(self.connections.close)

    @contextmanager
    def second_database(self) -> Iterator["Engine"]:
        """Yield an engine with relations of its own, and the threads and the memory of this one.

        Another instance of DuckDB takes longer to come up than a small dataset to read.
        """
        engine = Engine(self.resources, self.connections.to_new_database())
        try:
            yield engine
        finally:
            engine.close()

    @contextmanager
    def second_connection(self) -> Iterator["Engine"]:
        """This engine for another thread: the same relations, over a connection of its own."""
        with self.connections.cursor() as cursor:
            engine = Engine(self.resources, self.connections, shared=self)
            engine.con = cursor
            yield engine

    def workers(self, progress: Progress | None = None) -> Workers:
        """Threads as many as the engine's own, whose queries end at once where one of them fails."""
        interrupt = self.connections.interrupt
        return Workers(self.threads, self.memory_bytes, self.scratch, interrupt, progress or Silent())

    @property
    def memory_left(self) -> str | None:
        """The `memory` of another engine beside this one, which keeps what it holds."""
        if self.resources.memory is None:
            return None
        # fetchall, not fetchone: a half-read result blocks the connection.
        used = "select coalesce(sum(memory_usage_bytes), 0)::bigint from duckdb_memory()"
        [(used_bytes,)] = self.con.execute(used).fetchall()
        return f"{max(LEAST_MEMORY, parse_size('memory', self.resources.memory, least=0) - used_bytes)}B"

    def has(self, *relations: str) -> bool:
        """Return whether all of them have been made. Asked of DuckDB, it would first make all of its own."""
        return self._relations.issuperset(relations)

    def load(self, relation: str, rows: pa.Table) -> None:
        """Copy an Arrow table into the database as `relation`."""

        def create() -> None:
            # DuckDB finds it by its name. As a relation of DuckDB's it would be bound twice: twice the time.
            rows_to_load = rows  # noqa: F841
            self.con.execute(f"create table {quote_name(relation)} as from rows_to_load").fetchall()

        with translate_errors(relation):
            self.wait.run(create)
        self._relations.add(relation)

    def table(
        self, relation: str, template: str, context: Context | None = None, /, **values: object
    ) -> None:
        """Materialise what a template gives as the table `relation`."""
        # One statement is bound once, a relation of DuckDB's when it is made and again when it is used.
        with translate_errors(template):
            sql = f"create table {quote_name(relation)} as\n{render(template, **(context or {}))}"
            self.wait.run(lambda: self.con.execute(sql, values).fetchall())
        self._relations.add(relation)

    def drop(self, *relations: str) -> None:
        """Give back the memory of tables that nothing will read again."""
        for relation in relations:
            with translate_errors(relation):
                self.con.execute(f"drop table {quote_name(relation)}")
            self._relations.discard(relation)

    def drop_all(self) -> None:
        """Forget every table: what failed half-way can begin again."""
        self.drop(*self.list_relations())

    def rename(self, relation: str, to: str) -> None:
        """Give a table another name."""
        with translate_errors(relation):
            self.con.execute(f"alter table {quote_name(relation)} rename to {quote_name(to)}")
        self._relations.discard(relation)
        self._relations.add(to)

    def view(self, relation: str, template: str, context: Context | None = None, /, **values: object) -> None:
        """Name what a template gives `relation`, to be computed at each read."""
        with translate_errors(template):
            self._relation(self.con, template, context, values).create_view(relation)
        self._relations.add(relation)

    def arrow(self, template: str, context: Context | None = None, /, **values: object) -> pa.Table:
        """Return all rows as an Arrow table."""
        with translate_errors(template), self.connections.cursor_for_statement() as cursor:
            found = self._relation(cursor, template, context, values)
            return self.wait.run(found.to_arrow_table)

    def read(
        self,
        relation: str,
        columns: Sequence[str],
        *,
        where: tuple[str, object] | None = None,
        order: Sequence[str] = (),
    ) -> pa.Table:
        """Return columns of a relation, of the rows with a value in a column where asked, in an order."""
        template, context, values = _reading(relation, columns, where, order)
        return self.arrow(template, context, **values)

    def read_records(
        self,
        relation: str,
        cls: type[T],
        *,
        where: tuple[str, object] | None = None,
        order: Sequence[str] = (),
    ) -> list[T]:
        """Return the same rows as `read`, each as a `cls`, a dataclass whose fields are the columns."""
        columns = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        template, context, values = _reading(relation, columns, where, order)
        return self.records(template, cls, context, **values)

    def columns_of(self, relation: str) -> list[str]:
        """Return the names of a relation's columns, in order."""
        return [name for name, _ in self.column_types(relation)]

    def column_types(self, relation: str) -> list[tuple[str, str]]:
        """Return name and SQL type of a relation's columns, in order."""
        with translate_errors(relation):
            rows = self.con.execute(f"describe {quote_name(relation)}").fetchall()
        return [(name, kind) for name, kind, *_ in rows]

    def list_relations(self) -> list[str]:
        """Return the names of the relations in the current schema, sorted."""
        return sorted(name for name, *_ in self.con.execute("show tables").fetchall())

    def value(self, template: str, context: Context | None = None, /, **values: object) -> Any:
        """Return the one value of a result that has one row and one column."""
        _, ((value,),) = self._fetch(template, context, values)
        return value

    def records(
        self, template: str, cls: type[T], context: Context | None = None, /, **values: object
    ) -> list[T]:
        """Return each row as a `cls`, a dataclass whose fields are the columns of the result, in order.

        Raises:
            TypeError: if the fields are others than the columns.
        """
        names, rows = self._fetch(template, context, values)
        wanted = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # no type says: a dataclass
        if names != wanted:
            raise TypeError(f"{template} gives the columns {names}, {cls.__name__} has the fields {wanted}")
        return [cls(*row) for row in rows]

    def _fetch(
        self, template: str, context: Context | None, values: dict[str, object]
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the names of a result's columns, and its rows."""
        sql = render(template, **(context or {}))
        with translate_errors(template), self.connections.cursor_for_statement() as cursor:
            return self.wait.run(lambda: _fetch_all(cursor.execute(sql, values)))

    def run(self, template: str, context: Context | None = None, /, **values: object) -> None:
        """Execute a statement that gives no rows (COPY)."""
        with translate_errors(template, writing=True), self.connections.cursor_for_statement() as cursor:
            sql = render(template, **(context or {}))
            self.wait.run(lambda: cursor.execute(sql, values).fetchall())

    @contextmanager
    def stream(
        self, template: str, context: Context | None = None, /, *, batch_rows: int, **values: object
    ) -> Iterator[pa.RecordBatchReader]:
        """Record batches of at most `batch_rows`, in order, read lazily over a connection of its own."""
        with translate_errors(template), self.connections.cursor() as cursor:
            found = self._relation(cursor, template, context, values)
            yield self.wait.run(lambda: found.to_arrow_reader(batch_rows))

    def copy_batches(
        self, schema: pa.Schema, batches: Iterator[pa.RecordBatch], template: str, /, **values: object
    ) -> None:
        """COPY record batches of `schema`, in order; the template reads them as `batches`.

        Raises:
            Exception: what `batches` raises, as it raised it.
        """
        failed: list[Exception] = []

        def guarded() -> Iterator[pa.RecordBatch]:
            try:
                yield from batches
            except Exception as error:  # DuckDB would pass on no more than its text
                failed.append(error)
                raise

        try:
            with translate_errors(template, writing=True), self.connections.cursor() as cursor:
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


def _reading(
    relation: str, columns: Sequence[str], where: tuple[str, object] | None, order: Sequence[str]
) -> tuple[str, dict[str, object], dict[str, object]]:
    """Return the template that reads, its context and its values."""
    context: dict[str, object] = {"relation": relation, "columns": list(columns), "order": list(order)}
    if where is None:
        return "read", context, {}
    column, value = where
    return "read_where", context | {"where": column}, {"value": value}


def _fetch_all(con: duckdb.DuckDBPyConnection) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the names of a result's columns, and its rows."""
    return [column[0] for column in con.description or ()], con.fetchall()
