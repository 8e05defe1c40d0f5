"""A database for users' SQL: it reads what was put there before `seal`, and can change nothing.

DuckDB's own settings keep it from the file system, but for the files that hold the frames: those it has
to open, and DuckDB knows no paths that may only be read. So a text is looked at before it is run, too. It
must be one SELECT in which nothing writes, and of the functions that give tables only harmless ones may
stand there: others run SQL from a string, or follow a pointer.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from lecompose.engine import Context, Engine
from lecompose.engine.duckdb_errors import translate_errors
from lecompose.engine.query_errors import hint_at, own_fault, shift_line, strip_place, write_name
from lecompose.engine.syntax_tree import Tree, but_for_order, lists_rows, nodes, order_of, uses
from lecompose.engine.templates import quote_name, render
from lecompose.engine.user_text import UserText, beside
from lecompose.engine.vector_sql import (
    has_vectors,
    may_look_around,
    name_lags,
    name_neighbours,
    name_window,
    take_whole_episodes,
    take_windows_out,
    with_sums,
    with_vector_macros,
)
from lecompose.errors import QueryError, SourceBroken
from lecompose.formats import escaped_glob

# The table functions that a user's text may call; each only rearranges what it is given.
TABLE_FUNCTIONS = frozenset(
    {
        *("generate_series", "range", "repeat", "repeat_row", "unnest"),
        *("json_each", "json_tree", "histogram", "histogram_values", "query_table"),
    }
)
_KEYS = ("src_dataset", "src_episode")
T = TypeVar("T")
# DuckDB lists every function of a name; there are 45 of "-".
_MOST_CANDIDATES = 6


class Sandbox:
    """A database for statements that users write; everything they may see is put there before `seal`.

    Raises:
        QueryError: with DuckDB's own message, the place, and the names that exist.
        SourceBroken: where it is the data that cannot be read.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.scratch = engine.scratch
        self._files: Sequence[str] = ()
        self._aside: dict[str, str | None] = {}

    def set_aside(self, relation: str, *, known_as: str | None = None) -> None:
        """Tell users nothing of a relation of ours, but for its columns as those of what it is `known_as`."""
        self._aside[relation] = known_as

    def load(self, relation: str, rows: pa.Table) -> None:
        """Let users see the rows of an Arrow table as `relation`."""
        # Once sealed, DuckDB finds nothing by the name that it has in Python.
        with translate_errors(relation):
            self._engine.wait.run(lambda: self._engine.con.from_arrow(rows).create(relation))

    def view(self, relation: str, template: str, context: Context | None = None, /, **values: object) -> None:
        """Let users see what a template gives as `relation`, computed at each read."""
        self._engine.view(relation, template, context, **values)

    def macro(self, name: str, template: str, context: Context | None = None, /) -> None:
        """Let users call a function that a template makes."""
        with translate_errors(name):
            self._engine.con.execute(render(template, **(context or {})))

    def columns_of(self, relation: str) -> list[str]:
        """Return the names of a relation's columns, in order."""
        return self._engine.columns_of(relation)

    def records(self, template: str, cls: type[T], context: Context | None = None, /) -> list[T]:
        """Return what a template of ours gives over what users see, each row as a `cls`."""
        return self._engine.records(template, cls, context)

    def close(self) -> None:
        self._engine.close()

    def seal(self, files: Sequence[Path | str]) -> None:
        """From here on no file is opened but `files` and what is in `scratch`, and no setting changed."""
        self._files = [str(f) for f in files]
        # A glob is checked as it is written and again as what it matches.
        paths = list(dict.fromkeys([*self._files, *(escaped_glob(f) for f in self._files)]))
        settings: dict[str, object] = {
            "allowed_paths": paths,
            "allowed_directories": [f"{self._engine.scratch}/"],
            "python_enable_replacements": False,
            "autoload_known_extensions": False,
            "enable_external_access": False,
            "lock_configuration": True,
        }
        for name, value in settings.items():
            with translate_errors(name):
                self._engine.con.execute(f"set {name} = $value", {"value": value})

    @contextmanager
    def behind(self, schema: str) -> Iterator[None]:
        """Put what is made meanwhile into a schema of its own, which `show tables` does not list."""
        with translate_errors(schema):
            self._engine.con.execute(f"create schema if not exists {quote_name(schema)}")
            self._engine.con.execute("set schema = $schema", {"schema": schema})
        yield
        with translate_errors(schema):
            self._engine.con.execute("set schema = 'main'")

    # What users ask ---------------------------------------------------------------------------------

    def ask(self, sql: str) -> pa.Table:
        """Return all rows of one SELECT, in its order."""
        text = UserText(sql)
        with self._explain_errors(text):
            return self._engine.arrow("query/select", sql=self._settle(text).text)

    def names_of(self, sql: str) -> list[str]:
        """Return the names of the columns of one SELECT, which is not run."""
        text = UserText(sql)
        with self._explain_errors(text), translate_errors("query/select"):
            return list(self._engine.con.sql(self._settle(text).text).columns)

    @contextmanager
    def stream(self, sql: str, *, batch_rows: int) -> Iterator[pa.RecordBatchReader]:
        """Yield the rows of one SELECT as record batches, read lazily, in its order."""
        text = UserText(sql)
        with ExitStack() as opened:
            with self._explain_errors(text):
                settled = self._settle(text).text
                reader = opened.enter_context(
                    self._engine.stream("query/select", batch_rows=batch_rows, sql=settled)
                )
            yield pa.RecordBatchReader.from_batches(reader.schema, self._batches(reader, text))

    def _batches(self, reader: pa.RecordBatchReader, text: UserText) -> Iterator[pa.RecordBatch]:
        while True:
            with self._explain_errors(text, checked=True), translate_errors("query/select"):
                try:
                    batch = self._engine.wait.run(lambda: next(reader, None))
                except (pa.ArrowException, OSError) as error:
                    raise duckdb.Error(str(error)) from error
            if batch is None:
                return
            yield batch

    def save(self, sql: str, path: Path, *, format: str) -> int:
        """Return how many rows one SELECT gave, now at `path`, which must be in `scratch`."""
        text = UserText(sql)
        with self._explain_errors(text):
            values = {"sql": self._settle(text).text, "path": str(path), "format": format}
            return int(self._engine.arrow("query/save", **values).column(0)[0].as_py())

    def each(
        self, relation: str, expression: str, *, kind: str | None = None, keys: Sequence[str] = _KEYS
    ) -> pa.Table:
        """Return the keys of each row of a relation, and an expression's value, cast to `kind` if given."""
        text = beside(relation, keys, expression)
        with self._explain_errors(text), translate_errors(relation):
            return self._engine.wait.run(self._select_value(relation, text, keys, kind=kind).to_arrow_table)

    def aggregate(self, relation: str, aggregate: str) -> pa.Table:
        """Return src_dataset and src_episode, and the value of an aggregate over the episode's rows."""
        text = beside(relation, _KEYS, aggregate, after=f"\ngroup by {', '.join(_KEYS)}")
        with self._explain_errors(text), translate_errors(relation):
            return self._engine.wait.run(self._select_value(relation, text, _KEYS, group=True).to_arrow_table)

    @contextmanager
    def each_in_order(
        self, relation: str, expression: str, *, keys: Sequence[str], batch_rows: int
    ) -> Iterator[pa.RecordBatchReader]:
        """Yield the same as `each` in record batches, read lazily, in the order of the keys."""
        text = beside(relation, keys, expression)
        with self._explain_errors(text), translate_errors(relation):
            rows = self._select_value(relation, text, keys).order(", ".join(map(quote_name, keys)))
            reader = rows.to_arrow_reader(batch_rows)
        yield pa.RecordBatchReader.from_batches(reader.schema, self._batches(reader, text))

    def _select_value(
        self,
        relation: str,
        text: UserText,
        keys: Sequence[str],
        *,
        kind: str | None = None,
        group: bool = False,
    ) -> duckdb.DuckDBPyRelation:
        text = self._settle(text, relation, keys)
        value = duckdb.SQLExpression(text.text)
        value = (value.cast(kind) if kind else value).alias("value")
        columns = [*map(duckdb.ColumnExpression, keys), value]
        rows = self._engine.con.table(relation)
        if text.windows:
            given = [duckdb.SQLExpression(w).alias(name_window(n)) for n, w in enumerate(text.windows)]
            rows = rows.project(duckdb.StarExpression(), *given)
        found = rows.aggregate(columns, ", ".join(keys)) if group else rows.project(*columns)
        if len(found.columns) != len(columns):
            raise QueryError(f"one value is needed, this gives {len(found.columns) - len(keys)}")
        return found

    def order(self, relation: str, terms: str, *, ties: str) -> pa.Table:
        """src_dataset and src_episode of each row, in the order of a user's ORDER BY list, then of `ties`."""
        before = f"from {relation} select src_dataset, src_episode order by\n"
        text, plain = UserText(terms, before, f"\n, {ties}"), UserText("1", before, f"\n, {ties}")
        with self._explain_errors(text):
            if but_for_order(self.tree(text.whole)) != but_for_order(self.tree(plain.whole)):
                raise QueryError("a list of terms to sort by is needed, as in: length desc, task")
            return self._engine.arrow("query/select", sql=text.whole)

    def complete_order(self, sql: str, columns: Sequence[str]) -> str | None:
        """Return a SELECT that breaks its ties by these columns of its result; None where it has no order.

        Rows that the text itself lists stand in their order.

        What cannot be parsed is returned as it is: whoever runs it tells better what is wrong.
        """
        tree = self.tree(sql)
        if tree["error"] or len(tree["statements"]) != 1:
            return sql
        orders = order_of(tree)
        if orders is None:
            return sql if lists_rows(tree) else None
        if any(order["expression"]["class"] == "STAR" for order in orders):  # of all columns
            return sql
        orders += order_of(self.tree(f"select 1 order by {', '.join(map(quote_name, columns))}")) or []
        return str(self._engine.value("query/text", tree=json.dumps(tree)))

    def may_use(self, sql: str, relation: str, column: str) -> bool:
        """Return whether a text could give or use `column` of `relation`; never False where it does."""
        tree = self.tree(sql)
        found = [] if tree["error"] else list(nodes(tree))
        tables = [n for n in found if n.get("type") in ("BASE_TABLE", "TABLE_FUNCTION")]
        names = {str(n.get("table_name")).lower() for n in tables}
        rows = names | {str(n["alias"]).lower() for n in tables}
        by_string = any(n["type"] == "TABLE_FUNCTION" for n in tables)
        return (relation in names or by_string) and any(uses(node, column, rows) for node in found)

    def _settle(self, text: UserText, relation: str = "", keys: Sequence[str] = ()) -> UserText:
        """Return a text as DuckDB can bind it: with macros on vectors, where its operators mean those.

        Where that does not help either, as it is: then its own error tells best.
        """
        tree = self.tree(f"select\n{text.text}" if relation else text.text)
        if tree["error"]:
            return text
        whole = named = tree
        if may_look_around(tree):
            whole = tree if relation else take_whole_episodes(tree, self._frame_columns)
            named = name_lags(whole, self._frame_columns)
        if named == tree and not (has_vectors(tree) or text.after):
            return text

        def write(changed: Tree, windows: tuple[str, ...]) -> UserText | None:
            """Return the text of a tree; None where it does not bind."""
            if not relation:
                self._keep_names(tree, changed)
            sql = str(self._engine.value("query/text", tree=json.dumps(changed)))
            spelled = sql.removeprefix("SELECT ")
            written = beside(relation, keys, spelled, text.after, windows) if relation else UserText(sql)
            return written if self._binds(written) else None

        is_plain = named == tree and self._binds(text)
        settled, base, windows = (text, tree, ()) if is_plain else self._bind(named, text, write)
        if not base and whole != tree and self._binds(text):
            raise QueryError(
                "beside this WHERE the frame before would be another one",
                hint="select … from (select *, speed(action) as v from frames) where …",
            )
        for summed in with_sums(base, lambda changed: write(changed, windows) is not None):
            settled = write(summed, windows) or settled
        return settled

    def _bind(
        self, tree: Tree, text: UserText, write: Callable[[Tree, tuple[str, ...]], UserText | None]
    ) -> tuple[UserText, Tree, tuple[str, ...]]:
        """Return the first way to put macros that binds; the text itself where none does."""
        bases: list[tuple[Tree, tuple[str, ...]]] = [(name_neighbours(tree), ())]
        if text.after:
            apart = name_neighbours(tree)
            bases.append((apart, tuple(map(self._spell, take_windows_out(apart)))))
        for base, windows in bases:
            for changed in (base, *with_vector_macros(base)):
                if (settled := write(changed, windows)) is not None:
                    return settled, changed, windows
        return text, {}, ()

    @cached_property
    def _frame_columns(self) -> dict[str, str]:
        names = self.columns_of("frames") if "frames" in self._engine.list_relations() else []
        return {name.lower(): name for name in names}

    def _binds(self, text: UserText) -> bool:
        """Return whether DuckDB finds no fault in a text before it is run."""
        try:
            self._engine.con.sql("explain\n" + text.whole)
        except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException):
            return False
        except duckdb.Error:  # a value that it computes before
            return True
        return True

    def _keep_names(self, tree: Tree, changed: Tree) -> None:
        """Let columns be called as the user's text says, not by our macros."""
        was, now = (t["statements"][0]["node"].get("select_list") or [] for t in (tree, changed))
        for old, new in zip(was, now, strict=True):
            if old != new and not new["alias"]:
                new["alias"] = self._spell(old).strip("()").replace('"', "")

    def _spell(self, expression: Tree) -> str:
        """Return an expression as text."""
        tree = self.tree("select 1")
        tree["statements"][0]["node"]["select_list"] = [expression]
        return str(self._engine.value("query/text", tree=json.dumps(tree))).removeprefix("SELECT ")

    # Before it is run -------------------------------------------------------------------------------

    def tree(self, sql: str) -> Tree:
        """Return a SELECT as DuckDB parses it; nothing is run."""
        tree: Tree = json.loads(self._engine.value("query/syntax", sql=sql))
        return tree

    def _refuse(self, text: UserText) -> None:
        """Refuse a text that could do more than read.

        Raises:
            QueryError: for what is not one SELECT, or could do more than read.
        """
        tree = self.tree(text.opened)
        if tree["error"] or len(tree["statements"]) != 1:
            raise QueryError(self._locate(text) or str(tree.get("error_message")))
        for node in [*nodes(tree), *nodes(self.tree(text.whole))]:
            kind = str(node.get("type"))
            if kind.endswith("_QUERY_NODE"):
                raise QueryError(f"{kind.partition('_')[0]} is not for a query: it can only read")
            if kind == "TABLE_FUNCTION":
                _refuse_function(node["function"])

    # When it failed ---------------------------------------------------------------------------------

    @contextmanager
    def _explain_errors(self, text: UserText, *, checked: bool = False) -> Iterator[None]:
        """Say where a text is wrong and what names there are, or that it is the data that is broken."""
        try:
            if not checked:
                self._refuse(text)
            yield
        except (QueryError, SourceBroken) as error:
            cause = error.__cause__
            if isinstance(cause, duckdb.Error) and self._is_damage(cause):
                raise SourceBroken("data cannot be read while it was queried", reason=cause) from error
            if fault := own_fault(str(cause)):
                raise QueryError(fault) from error
            told = error.fault
            if isinstance(cause, duckdb.Error):
                # What was found wrong as it ran, with macros in it, has no place in the text.
                ran = isinstance(cause, duckdb.InvalidInputException)
                told = (None if ran else self._locate(text)) or strip_place(cause)
            lines = [*self._useful(told), *hint_at(told, text.text), *self._names(text)]
            raise QueryError(own_fault(told) or "\n".join(lines)) from error

    def _useful(self, told: str) -> Iterator[str]:
        """DuckDB's message without what a user cannot do: change a setting, name a relation of ours."""
        candidates = 0
        for line in told.rstrip().split("\n"):
            if line.startswith("\t") and (candidates := candidates + 1) > _MOST_CANDIDATES:
                continue
            guessed = line.startswith("Did you mean") and any(name in line for name in self._aside)
            if not (guessed or re.match(r"(Use|Try|You can use) \"?SET |For more information, see ", line)):
                yield line

    def _is_damage(self, error: duckdb.Error) -> bool:
        # A user's mistake has a kind in front ("Binder Error: …"); what a decoder throws has none.
        told = str(error)
        unnamed = told.startswith("IO Error") or not re.match(r"[A-Z][\w ]* Error: ", told)
        return unnamed or any(file in told for file in self._files)

    def _locate(self, text: UserText) -> str | None:
        """DuckDB's message with the place in the text; None where its parser and binder find no fault."""
        try:
            statements = self._engine.con.extract_statements(text.opened)
        except duckdb.Error as error:
            return shift_line(str(error), text.shift)
        kinds = [str(s.type).rpartition(".")[2] for s in statements]
        if kinds != ["SELECT"]:
            return f"one SELECT is needed, found {', '.join(kinds) or 'nothing'}"
        try:
            # Binds and plans, executes nothing; the text has been looked at before.
            self._engine.con.sql("explain\n" + text.whole)
        except duckdb.Error as error:
            return shift_line(str(error), text.shift + 1)
        return None

    def _names(self, text: UserText) -> Iterator[str]:
        """Yield what may stand in the text: the relations, and the columns of those that it names."""
        relations = self._engine.list_relations()
        yield f"relations: {', '.join(name for name in relations if name not in self._aside)}"
        for relation in relations:
            known_as = self._aside.get(relation, relation)
            if known_as and re.search(rf"\b{re.escape(relation)}\b", text.opened, re.IGNORECASE):
                columns = map(write_name, self._engine.columns_of(relation))
                yield f"columns of {known_as}: {', '.join(columns)}"


def _refuse_function(function: dict[str, Any]) -> None:
    name = str(function["function_name"])
    if name.lower() not in TABLE_FUNCTIONS:
        raise QueryError(
            f"the table function {name}() is not for a query: it reads the named datasets and nothing else"
        )
