"""SQL templates and their cases, as data: what a header promises, what a case folder holds.

    sql/plan/merge.sql                       the template, with its contract as the header
    tests/sql/plan/merge/two_sources/        one case:
        episodes.csv                           a relation it reads; header cells are name:TYPE
        params.toml                            optional, see `Case`
        expected.csv                           the result; header cells are name, or name:TYPE

An empty cell is NULL, a quoted empty cell is the empty string; lists, maps and structs are written as
DuckDB prints them.
"""

import re
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import duckdb

from lecompose.engine.templates import quote_name, render

CHECKOUT = Path(__file__).resolve().parents[2]
SQL = CHECKOUT / "sql"
CASES = CHECKOUT / "tests" / "sql"
# In `reads`: what is no relation of its own, but files named by a bound value.
FILES = {"parquet", "json"}

Column = tuple[str, str]


@dataclass(frozen=True)
class Template:
    """One file of `sql/`, by name, such as `plan/merge`."""

    name: str

    @cached_property
    def text(self) -> str:
        return (SQL / f"{self.name}.sql").read_text(encoding="utf-8")

    @cached_property
    def header(self) -> list[str]:
        """The comment lines on top, without their dashes."""
        lines = self.text.splitlines()
        end = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
        return [line.removeprefix("--").strip() for line in lines[:end]]

    @cached_property
    def body(self) -> str:
        """The statement, without comments and string literals."""
        code = "\n".join(line.partition("--")[0] for line in self.text.splitlines())
        return re.sub(r"'(?:[^']|'')*'", "''", code)

    def clause(self, key: str) -> str:
        """What the header says after `reads:`, `params:` or `gives:`; long ones go on over further lines."""
        at = next((i for i, line in enumerate(self.header) if line.startswith(f"{key}:")), None)
        if at is None:
            raise AssertionError(f"{self.name}.sql: its header lacks `-- {key}:`")
        more = self.header[at + 1 :]
        end = next((i for i, line in enumerate(more) if re.match(r"\w+:", line)), len(more))
        return " ".join([self.header[at].removeprefix(f"{key}:"), *more[:end]]).strip()

    @property
    def reads(self) -> set[str] | None:
        """The relations read; None where the caller names them."""
        names = [name.strip() for name in self.clause("reads").split(",") if name.strip()]
        return set(names) - FILES if all(re.fullmatch(r"\w+", name) for name in names) else None

    @property
    def params(self) -> set[str]:
        return {name.strip().removeprefix("$") for name in self.clause("params").split(",") if name.strip()}

    @property
    def used_params(self) -> set[str]:
        return set(re.findall(r"\$([a-z_]\w*)", self.body))

    @property
    def gives(self) -> list[Column]:
        """The columns promised; a last `*` stands for whatever else comes."""
        parted = (column.partition(" ") for column in split_commas(self.clause("gives")))
        return [(name, kind.strip()) for name, _, kind in parted]

    @property
    def ordered(self) -> bool:
        return re.search(r"^order by", self.body, re.MULTILINE) is not None

    @property
    def cases(self) -> list["Case"]:
        folder = CASES / self.name
        return (
            [Case(self, path) for path in sorted(folder.iterdir()) if path.is_dir()]
            if folder.is_dir()
            else []
        )


@dataclass(frozen=True)
class Case:
    """One folder under `tests/sql/`. What `params.toml` may hold:

    ordered = true     rows are compared in order (always so if the statement ends in `order by`)
    nulls = ["seed"]   values bound to NULL, for which TOML has no word
    reads_back = "…"   the statement writes this Parquet file (of `[files]`), and expected.csv is its content
    asks = "…"         the statement makes a macro, and expected.csv is what this gives
    macros = [{…}]     macros that are made before: `template`, and its `context`
    before = "…"       statements that are run before those
    [values]           values to bind
    [context]          names and blocks for Jinja
    [files]            values to bind that are paths: a name or a list; "x.csv" is turned into x.parquet
                       first, other files of the case are copied, and names of no file are paths to be
                       written. In results the folder of these files is left out.
    """

    template: Template
    folder: Path

    @cached_property
    def settings(self) -> dict[str, Any]:
        path = self.folder / "params.toml"
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @property
    def files(self) -> dict[str, str | list[str]]:
        return self.settings.get("files", {})

    @property
    def bound(self) -> set[str]:
        return {*self.settings.get("values", {}), *self.settings.get("nulls", []), *self.files}

    @property
    def relations(self) -> set[str]:
        turned = {name for given in self.files.values() for name in as_list(given)}
        names = {path.name for path in self.folder.glob("*.csv")} - turned - {"expected.csv"}
        return {name.removesuffix(".csv") for name in names}

    def run(self, scratch: Path) -> tuple[list[Column], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The result's columns, its rows, and the rows expected."""
        with emptied() as con:
            for name in sorted(self.relations):
                read_csv(con, self.folder / f"{name}.csv").create(name)
            statement = render(self.template.name, **self.settings.get("context", {}))
            values = self._values(con, scratch)
            if written := self.settings.get("reads_back"):
                con.execute(statement, values)
                result = con.read_parquet(str(scratch / written))
            elif asks := self.settings.get("asks"):
                con.execute(self.settings.get("before", ""))
                for macro in self.settings.get("macros", []):
                    con.execute(render(macro["template"], **macro.get("context", {})))
                con.execute(statement)
                result = con.sql(asks)
            else:
                result = con.sql(statement, params=values)
            columns = [(name, str(kind)) for name, kind in zip(result.columns, result.types, strict=True)]
            rows = [tuple(without(cell, f"{scratch}/") for cell in row) for row in result.fetchall()]
            expected = read_csv(con, self.folder / "expected.csv", dict(columns))
            assert expected.columns == [name for name, _ in columns], "columns of expected.csv"
            return columns, rows, expected.fetchall()

    def _values(self, con: duckdb.DuckDBPyConnection, scratch: Path) -> dict[str, Any]:
        paths = {
            key: [self._file(con, scratch, name) for name in given]
            if isinstance(given, list)
            else self._file(con, scratch, given)
            for key, given in self.files.items()
        }
        return {**self.settings.get("values", {}), **dict.fromkeys(self.settings.get("nulls", [])), **paths}

    def _file(self, con: duckdb.DuckDBPyConnection, scratch: Path, name: str) -> str:
        source, target = self.folder / name, scratch / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".csv":
            target = target.with_suffix(".parquet")
            read_csv(con, source).write_parquet(str(target))
        elif source.is_file():
            shutil.copyfile(source, target)
        return str(target)


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


@contextmanager
def emptied() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in a catalog of its own, which is gone afterwards: a new process of DuckDB costs more."""
    con = _connection()
    con.execute("attach ':memory:' as one_case; use one_case")
    try:
        yield con
    finally:
        con.execute("use memory; detach one_case")


def templates() -> list[Template]:
    """Every template of `sql/`."""
    return [Template(p.relative_to(SQL).with_suffix("").as_posix()) for p in sorted(SQL.rglob("*.sql"))]


def read_csv(
    con: duckdb.DuckDBPyConnection, path: Path, types: dict[str, str] | None = None
) -> duckdb.DuckDBPyRelation:
    """A CSV file as a relation, its columns typed by its header or else by `types`, its rows in order."""
    raw = con.read_csv(
        str(path), header=True, all_varchar=True, allow_quoted_nulls=False, parallel=False, delimiter=","
    )
    parted = (cell.rpartition(":") for cell in raw.columns)
    columns = [(name, kind) if name else (kind, (types or {}).get(kind, "")) for name, _, kind in parted]
    untyped = [name for name, kind in columns if not kind]
    assert not untyped, f"{path.name}: {untyped} need a type, as name:TYPE"
    cast = [
        f"cast({quote_name(cell)} as {kind}) as {quote_name(name)}"
        for cell, (name, kind) in zip(raw.columns, columns, strict=True)
    ]
    return raw.project(", ".join(cast))


def same_type(one: str, other: str) -> bool:
    """DuckDB's spelling and ours may differ in case and spaces."""
    return re.sub(r"\s", "", one).upper() == re.sub(r"\s", "", other).upper()


def split_commas(text: str) -> list[str]:
    """The parts between commas that stand outside of parentheses: MAP(BIGINT, VARCHAR) is one part."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def without(cell: Any, prefix: str) -> Any:
    """`cell` with `prefix` cut out of its strings, also inside lists."""
    if isinstance(cell, list):
        return [without(part, prefix) for part in cell]
    return cell.replace(prefix, "") if isinstance(cell, str) else cell


def as_list(given: str | list[str]) -> list[str]:
    return given if isinstance(given, list) else [given]
