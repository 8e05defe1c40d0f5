"""What a user should know of how SQL asks the tables of `--with`: rows that fit nothing, or fit twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lecompose.dataset.user_tables import UserTables
from lecompose.engine.sandbox import Sandbox
from lecompose.engine.syntax_tree import TableUse, find_table_uses
from lecompose.errors import QueryError

# How many keys are shown.
_SHOWN = 3


@dataclass(frozen=True)
class _RepeatedKey:
    key: str
    rows: int


@dataclass(frozen=True)
class _Unmatched:
    total: int
    unmatched: int
    example: str | None


@dataclass(frozen=True)
class TableJoins:
    """The tables of a request in a sandbox, and the columns of `episodes` that they may be asked by."""

    sandbox: Sandbox
    tables: UserTables
    sources: int

    def find(self, sql: str) -> list[TableUse]:
        """Return how a text uses the tables.

        Raises:
            QueryError: for a column compared with itself, which was meant to be one of ours.
        """
        if not self.tables.rows:
            return []
        columns = {name: rows.column_names for name, rows in self.tables.rows.items()}
        uses = find_table_uses(self.sandbox.tree(sql), columns)
        self.tables.named.update(use.table for use in uses)
        for use in uses:
            for column in use.to_itself:
                raise QueryError(
                    f'"{column}" is the column of the table "{use.table}" on both sides of =, as SQL looks'
                    " there first",
                    hint=f"episodes.{column} (or frames.{column}), for ours",
                )
        return uses

    def explain_repeated(self, uses: Sequence[TableUse]) -> list[str]:
        """Return a line for each table that has more than one row for a key that it is asked by."""
        return [line for use in uses for line in self._repeated(use)]

    def note(self, uses: Sequence[TableUse]) -> None:
        """Note which rows belong to no episode, which episodes have no row, and what a join repeats.

        Raises:
            QueryError: for a table of which no row belongs to an episode.
        """
        for use in uses:
            if use.is_joined:
                self.tables.notes.update(
                    (f"{line}; a join gives each of them", None) for line in self._repeated(use)
                )
            self.tables.notes.update((note, None) for note in self._unmatched(use))

    def _repeated(self, use: TableUse) -> Iterator[str]:
        if not use.keys:
            return
        context = {"relation": use.table, "columns": list(use.keys)}
        found = self.sandbox.records("user_tables/repeated_keys", _RepeatedKey, context)
        if found:
            shown = "; ".join(f"{row.rows} rows for {row.key}" for row in found[:_SHOWN])
            more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            yield f'the table "{use.table}" has by {" and ".join(use.keys)}: {shown}{more}'

    def _unmatched(self, use: TableUse) -> Iterator[str]:
        there = {name.lower(): name for name in self.sandbox.columns_of("episodes")}
        pairs = [replace(p, of_episodes=there[p.of_episodes]) for p in use.pairs if p.of_episodes in there]
        ours = {pair.of_episodes for pair in pairs}
        if "src_episode" not in ours:
            return
        context = {"relation": use.table, "episodes": "episodes", "pairs": pairs}
        of = f'the table "{use.table}"'
        (rows,) = self.sandbox.records("user_tables/unmatched_rows", _Unmatched, context)
        key = ", ".join(pair.column for pair in pairs)
        if rows.unmatched == rows.total and rows.total and not use.may_lack:
            raise QueryError(
                f"{of}: none of its {rows.total} rows belongs to an episode, as {key} {rows.example}",
                hint="its key as episodes are numbered, from 0"
                + (", and src_dataset as sources are named" if "src_dataset" in ours else ""),
            )
        if rows.unmatched:
            yield f"{of}: {rows.unmatched} of {rows.total} rows belong to no episode, as {key} {rows.example}"
        (episodes,) = self.sandbox.records("user_tables/unmatched_episodes", _Unmatched, context)
        if episodes.unmatched:
            name, _, number = (episodes.example or "").rpartition(" ")
            where = f'episode {number} of "{name}"' if self.sources > 1 else f"episode {number}"
            yield f"{of}: no row for {episodes.unmatched} of {episodes.total} episodes, as {where}"
        if self.sources > 1 and "src_dataset" not in ours:
            yield (
                f"{of} is asked by the number of the episode alone: a row of it is for each source that has"
                " such an episode"
            )
