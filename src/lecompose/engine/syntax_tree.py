"""A user's SELECT as DuckDB parses it: JSON, in which every node is an object."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Tree: TypeAlias = dict[str, Any]


def nodes(tree: Any) -> Iterator[Tree]:
    """Yield every node of a syntax tree."""
    below = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    if isinstance(tree, dict):
        yield tree
    for part in below:
        yield from nodes(part)


def uses(node: Tree, column: str, rows: set[str]) -> bool:
    """Return whether a node names `column` or a whole row, or stands for columns without a name."""
    if node.get("class") == "COLUMN_REF":
        names = [name.lower() for name in node["column_names"]]
        return column in names or names[-1] in rows
    unnamed = node.get("class") == "STAR" or node.get("type") == "TABLE_FUNCTION"
    return unnamed or node.get("ref_type") == "NATURAL" or bool(node.get("column_name_alias"))


def order_of(tree: Tree) -> list[Tree] | None:
    """Return the terms of the outermost ORDER BY; None where there is none."""
    for modifier in tree["statements"][0]["node"]["modifiers"]:
        if modifier["type"] == "ORDER_MODIFIER":
            orders: list[Tree] = modifier["orders"]
            return orders
    return None


def lists_rows(tree: Tree) -> bool:
    """Return whether a SELECT takes its rows from a list of VALUES and from nothing else, one by one."""
    found = list(nodes(tree))
    kinds = {node.get("type") for node in found}
    others = {"BASE_TABLE", "TABLE_FUNCTION", "JOIN", "SET_OPERATION_NODE", "DISTINCT_MODIFIER"}
    return (
        "EXPRESSION_LIST" in kinds
        and not kinds & others
        and not any(n.get("group_expressions") for n in found)
    )


def but_for_order(tree: Tree) -> Any:
    """Return a syntax tree without the terms of its outermost ORDER BY."""
    if not tree["error"]:
        for modifier in tree["statements"][0]["node"]["modifiers"]:
            modifier.pop("orders", None)
    return tree


@dataclass(frozen=True)
class KeyColumn:
    """A column of a user's table, and the one of ours that it is compared with."""

    column: str
    of_episodes: str


@dataclass(frozen=True)
class TableUse:
    """How a text uses a user's table: the columns by which it is asked, and whether it stands in a join.

    `pairs` are those compared with columns of ours, `to_itself` those compared with themselves. `may_lack`
    where it is asked whether a row is there.
    """

    table: str
    keys: tuple[str, ...]
    pairs: tuple[KeyColumn, ...]
    is_joined: bool
    to_itself: tuple[str, ...]
    may_lack: bool


def find_table_uses(tree: Tree, tables: Mapping[str, Sequence[str]]) -> list[TableUse]:
    """Return how a text uses each of the tables that it names; `tables` are columns by name."""
    every = list(nodes(tree))
    found = [_find_use(every, table, columns, tables) for table, columns in tables.items()]
    return [use for use in found if use is not None]


def _find_use(
    every: Sequence[Tree], table: str, columns: Sequence[str], tables: Mapping[str, Sequence[str]]
) -> TableUse | None:
    aliases = _aliases(every, table)
    if not aliases:
        return None
    known = {name.lower(): name for name in columns}
    others = {alias for other in tables if other != table for alias in _aliases(every, other)}

    def own(names: Sequence[str]) -> str | None:
        """Return the table's column that a reference names."""
        if len(names) > 1 and names[-2].lower() not in aliases:
            return None
        return known.get(names[-1].lower())

    keys: dict[str, None] = {}
    pairs: dict[KeyColumn, None] = {}
    to_itself: dict[str, None] = {}
    joined = [n for n in every if n.get("type") == "JOIN" and _aliases(list(nodes(n)), table)]
    for join in joined:
        for name in join.get("using_columns") or ():
            if name.lower() in known:
                keys[known[name.lower()]] = None
                pairs[KeyColumn(known[name.lower()], name.lower())] = None
    for left, right in _equalities(every):
        mine = [None if names is None else own(names) for names in (left, right)]
        if mine[0] is not None and mine[0] == mine[1]:
            to_itself[mine[0]] = None
        elif (mine[0] is None) != (mine[1] is None):
            column = mine[0] if mine[0] is not None else mine[1]
            other = right if mine[0] is not None else left
            assert column is not None
            keys[column] = None
            if other is not None and not (len(other) > 1 and other[-2].lower() in others):
                pairs[KeyColumn(column, other[-1].lower())] = None
    asked = [n for n in every if n.get("subquery_type") in ("EXISTS", "NOT_EXISTS")]
    may_lack = any(_aliases(list(nodes(node)), table) for node in asked)
    return TableUse(table, tuple(keys), tuple(pairs), bool(joined), tuple(to_itself), may_lack)


def _aliases(every: Sequence[Tree], table: str) -> set[str]:
    """Return the names that a table has in a text."""
    there = [n for n in every if n.get("type") == "BASE_TABLE"]
    return {
        (n["alias"] or n["table_name"]).lower() for n in there if n["table_name"].lower() == table.lower()
    }


def _equalities(every: Sequence[Tree]) -> Iterator[tuple[Sequence[str] | None, Sequence[str] | None]]:
    """Yield both sides of each `=`; None for what is no column."""
    for node in every:
        if node.get("type") == "COMPARE_EQUAL":
            sides = [node["left"], node["right"]]
            left, right = (s["column_names"] if s.get("class") == "COLUMN_REF" else None for s in sides)
            yield left, right
