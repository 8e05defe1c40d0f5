"""Tables of the user's own, which SQL may ask beside ours: labels in a CSV file, a DataFrame.

A file is read once, when the request is made: its digest goes into the recorded command, and whoever gives
that command again is told if the file is another one now.
"""

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from lecompose.engine import Engine
from lecompose.errors import ComposeError, RequestError
from lecompose.files.text_files import decode_text

Tables: TypeAlias = Mapping[str, Any] | Iterable[str | tuple[str, Any]]
"""{"labels": "labels.csv"}, {"labels": a pyarrow.Table, a DataFrame}, or ["labels=labels.csv"]."""

# What SQL sees of ours, also behind the scenes.
_OURS = frozenset(
    {"datasets", "features", "tasks", "episodes", "frames", "clips", "lineage", "custom", "placement"}
    | {"episode_texts", "episodes_by_task", "frames_of_episodes", "untyped", "main", "temp", "system"}
)
_NAME = re.compile(r"[A-Za-z_]\w*")
_DIGEST = re.compile(r"(.*)@sha256:([0-9a-f]{16})", re.DOTALL)
_MOST_BYTES = 2**33
_KINDS = "a CSV, parquet or JSON file"


@dataclass(frozen=True)
class UserTable:
    """One table as it was given: the content of a file, or rows. `word` says it on a command line.

    Nobody `can_repeat` what came from a pipe or from Python.
    """

    name: str
    content: bytes | pa.Table = field(repr=False)
    path: str | None
    can_repeat: bool

    @cached_property
    def digest(self) -> str:
        """Sixteen digits that no other content has."""
        content = self.content if isinstance(self.content, bytes) else _bytes_of(self.content)
        return hashlib.sha256(content).hexdigest()[:16]

    @property
    def word(self) -> str:
        return f"{self.name}={self.path or ''}@sha256:{self.digest}"

    def read(self, engine: Engine, scratch: Path) -> pa.Table:
        """Return the rows, with the types that hold all of them.

        Raises:
            RequestError: for a file that is no table.
        """
        rows = self.content if isinstance(self.content, pa.Table) else self._read_file(engine, scratch)
        lower = [name.lower() for name in rows.column_names]
        unusable = [f'"{n}"' for n in rows.column_names if not n or lower.count(n.lower()) > 1]
        if unusable or not lower:
            raise self._error("its columns cannot be told apart in SQL", parts=dict.fromkeys(unusable))
        return rows

    def _read_file(self, engine: Engine, scratch: Path) -> pa.Table:
        assert isinstance(self.content, bytes)
        kind, content = self._find_kind(self.content)
        file = scratch / f"with-{self.name}.{kind}"
        file.write_bytes(content)
        try:
            return engine.arrow(f"user_tables/{kind}", path=str(file))
        except ComposeError as error:
            reason = _first_lines(str(error.reason or error.problem))
            raise self._error("it cannot be read as a table", reason=reason) from error
        finally:
            file.unlink()

    def _find_kind(self, content: bytes) -> tuple[str, bytes]:
        """Return how a file is read, by what is in it, and its content, text as UTF-8."""
        if content[:2] == b"\x1f\x8b":
            try:
                content = gzip.decompress(content)
            except (OSError, EOFError, zlib.error) as error:
                raise self._error("it cannot be unpacked", reason=error) from error
        if content[:4] == b"PAR1":
            return "parquet", content
        try:
            text = decode_text(content)
            if "\0" in text:
                raise ValueError("it is no text")
        except ValueError as error:
            raise self._error("it is neither text nor parquet", hint=f"{_KINDS}, text as UTF-8") from error
        if not text.strip():
            raise self._error("it is empty", hint="a first line with the names of the columns")
        is_json = text.lstrip()[0] in "[{"
        return ("json" if is_json else "delimited"), text.encode()

    def _error(
        self,
        problem: str,
        *,
        reason: str | BaseException | None = None,
        hint: str | None = None,
        parts: Iterable[str] = (),
    ) -> RequestError:
        of = f'the table "{self.name}": {problem}'
        return RequestError(of, reason=reason, hint=hint, parts=parts, path=self.path)


@dataclass(frozen=True)
class UserTables:
    """The tables of a request, read. `notes` are what is to be told of them, `named` those that SQL named."""

    rows: Mapping[str, pa.Table] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)

    def all_notes(self) -> list[str]:
        """Return the notes, and one on tables that no SQL has named."""
        unused = [f'the table "{name}" was given, and no SQL names it' for name in self.rows]
        return [
            *self.notes,
            *(u for name, u in zip(self.rows, unused, strict=True) if name not in self.named),
        ]


def parse_user_tables(given: Tables) -> tuple[UserTable, ...]:
    """Return the tables given; files are read.

    Raises:
        RequestError: for names that SQL cannot have, and for files that cannot be read or have changed.
    """
    if isinstance(given, str):
        given = [given]
    items = given.items() if isinstance(given, Mapping) else given
    pairs = [_split(item) if isinstance(item, str) else (str(item[0]), item[1]) for item in items]
    problems = [problem for name, _ in pairs for problem in _problems(name)]
    names = [name.lower() for name, _ in pairs]
    problems += [f'"{n}" is given {names.count(n)} times' for n in dict.fromkeys(names) if names.count(n) > 1]
    if problems:
        raise RequestError("--with needs NAME=FILE, each name once", parts=problems)
    return tuple(_take(name, said) for name, said in pairs)


def read_user_tables(tables: Iterable[UserTable], engine: Engine, scratch: Path) -> UserTables:
    """Return the rows of tables. Raises RequestError for a file that is no table."""
    return UserTables({table.name: table.read(engine, scratch) for table in tables})


def _split(word: str) -> tuple[str, str]:
    name, equals, path = word.partition("=")
    return (name, path) if equals and path else (word, "")


def _problems(name: str) -> list[str]:
    if not _NAME.fullmatch(name):
        return [f'"{name}": a name of letters, digits and _, then = and a file']
    return [f'"{name}" is a relation of ours; another name is needed'] if name.lower() in _OURS else []


def _take(name: str, said: Any) -> UserTable:
    if isinstance(said, str | Path):
        return _read_once(name, str(said))
    try:
        rows = said if isinstance(said, pa.Table) else pa.table(said)
    except (TypeError, ValueError, pa.ArrowException) as error:
        hint = f"a pyarrow.Table, a DataFrame, or the path of {_KINDS}"
        raise RequestError(
            f'the table "{name}" is a {type(said).__name__}', reason=error, hint=hint
        ) from error
    return UserTable(name, rows.replace_schema_metadata(None), None, can_repeat=False)


def _read_once(name: str, said: str) -> UserTable:
    """Read a file; what follows @ is the digest that it must have."""
    file = Path(said).expanduser()
    recorded = None if _exists(file) else _DIGEST.fullmatch(said)
    path, wanted = recorded.groups() if recorded else (said, None)
    if not path:
        raise RequestError(
            f'the table "{name}" was given in Python; no file holds it' if wanted else f'"{name}": no file',
            hint=f"--with {name}=FILE",
        )
    file = Path(path).expanduser()
    try:
        is_file = file.is_file()
        if is_file and file.stat().st_size > _MOST_BYTES:
            raise OSError(None, f"more than {_MOST_BYTES >> 30} GiB")
        table = UserTable(name, file.read_bytes(), path, can_repeat=is_file)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise RequestError(f'the table "{name}" cannot be read', reason=reason, path=path) from error
    if wanted not in (None, table.digest):
        raise RequestError(
            f'the table "{name}" is not the file that it was: its digest is {table.digest}, not {wanted}',
            hint=f"--with {name}={path}, if the new one is meant",
            path=path,
        )
    return table


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except (OSError, ValueError):
        return False


def _bytes_of(rows: pa.Table) -> bytes:
    """Return rows as bytes, the same however they lie in memory."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(pa.Table.from_batches(rows.combine_chunks().to_batches(), rows.schema))
    return bytes(sink.getvalue())


def _first_lines(told: str) -> str:
    """Return the part of DuckDB's message that says what is wrong, in one line."""
    lines = [line.strip() for line in told.partition("\n\n")[0].split("\n")]
    return " ".join(line for line in lines[:3] if line).partition(" Possible ")[0]
