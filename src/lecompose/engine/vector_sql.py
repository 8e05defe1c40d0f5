"""Vectors in users' SQL: `action - lag(action)` as DuckDB runs it, which has no operators on lists.

A text that DuckDB cannot bind is tried with macros in the place of its operators. No two of the ways to put
them bind, as an operator takes no vectors, and each macro either vectors or a vector and a number.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

from lecompose.engine.syntax_tree import Tree, nodes

# The macros of each operator: on two vectors, a vector and a number, a number and a vector.
OPERATORS = {
    "+": ("vadd", "vadd_number", "vadd_to_number"),
    "-": ("vsub", "vsub_number", "vsub_from_number"),
    "*": ("vmul", "vmul_number", "vmul_by_number"),
    "/": ("vdiv", "vdiv_number", "vdiv_number_by"),
}
SHAPES = ("two_vectors", "vector_and_number", "number_and_vector")
# lag(x) and lead(x) without a window are over the frames of the episode.
_NEIGHBOURS = {"lag": "WINDOW_LAG", "lead": "WINDOW_LEAD"}
OF_FRAMES = ("speed", "acceleration", "idle")
# Up to so many operators every macro of each is tried, up to so many those on two vectors.
_FEW, _MANY = 4, 8

_ONE = {
    "class": "CONSTANT",
    "type": "VALUE_CONSTANT",
    "alias": "",
    "query_location": 0,
    "literal": {"kind": "INTEGER", "text": "1"},
}


def may_look_around(tree: Tree) -> bool:
    """Return whether a text may mean the frames beside a frame, by a function of ours or as `lag_x`."""
    return any(
        _is_of_frames(node)
        or _is_neighbour(node)
        or (node.get("class") == "COLUMN_REF" and node["column_names"][-1].lower().startswith("lag_"))
        for node in nodes(tree)
    )


def name_lags(tree: Tree, columns: Mapping[str, str]) -> Tree:
    """Return a tree in which `lag_x` is lag(x), where x is a column of `frames`, and lag_x is none.

    `columns` are those of `frames`, by their names in lower case.
    """
    changed = copy.deepcopy(tree)
    for node in list(nodes(changed)):
        if node.get("class") == "COLUMN_REF" and (own := _lagged(node, columns)) is not None:
            column = _column(own) | {"column_names": [*node["column_names"][:-1], own]}
            argument = {"name": "", "expression": column}
            window = _window("lag", [argument], node["alias"])
            node.clear()
            node.update(window)
    return changed


def _lagged(node: Tree, columns: Mapping[str, str]) -> str | None:
    """Return the column whose value in the frame before a reference names."""
    name = node["column_names"][-1].lower()
    return columns.get(name.removeprefix("lag_")) if name.startswith("lag_") and name not in columns else None


def take_whole_episodes(tree: Tree, columns: Mapping[str, str]) -> Tree:
    """Return a tree in which windows of ours see the whole episode, also beside a WHERE.

    SQL filters rows before it looks at their neighbours. A SELECT from `frames` that has windows of ours, and
    none that is written out, filters by QUALIFY in the place of WHERE: after its windows.
    """
    changed = copy.deepcopy(tree)
    for node in nodes(changed):
        table = node.get("from_table")
        if table is None or not node.get("where_clause") or node["group_expressions"]:
            continue
        if table["type"] != "BASE_TABLE" or table["table_name"].lower() != "frames":
            continue
        parts = [node["select_list"], node["where_clause"], node["qualify"], node["modifiers"]]
        own = [each for part in parts for each in _in_scope(part)]
        ours = any(_is_of_frames(each) or _is_neighbour(each) or _is_lag(each, columns) for each in own)
        if ours and not any(each.get("class") == "WINDOW" for each in own):
            conditions = [each for each in (node["where_clause"], node["qualify"]) if each]
            node["qualify"] = conditions[0] if len(conditions) == 1 else _both(conditions)
            node["where_clause"] = None
    return changed


def _is_of_frames(node: Tree) -> bool:
    return node.get("class") == "FUNCTION" and node["function_name"].lower() in OF_FRAMES


def _is_lag(node: Tree, columns: Mapping[str, str]) -> bool:
    return node.get("class") == "COLUMN_REF" and _lagged(node, columns) is not None


def _in_scope(part: object) -> Iterator[Tree]:
    """Yield the nodes of a part of a SELECT, but for those of subqueries."""
    if isinstance(part, dict):
        yield part
        if part.get("class") == "SUBQUERY":
            return
    below: Sequence[object] = (
        list(part.values()) if isinstance(part, dict) else part if isinstance(part, list) else ()
    )
    for each in below:
        yield from _in_scope(each)


def _both(conditions: list[Tree]) -> Tree:
    return {
        "class": "CONJUNCTION",
        "type": "CONJUNCTION_AND",
        "alias": "",
        "query_location": 0,
        "children": conditions,
    }


def has_vectors(tree: Tree) -> bool:
    """Return whether a text may mean vectors, or a neighbour of a frame."""
    return any(_is_operator(node) or _is_neighbour(node) for node in nodes(tree))


def name_neighbours(tree: Tree) -> Tree:
    """Return a tree in which lag(x) and lead(x) without a window are over the frames of the episode.

    Beyond the episode they are x itself, as if nothing had moved: a change is zero there, not null.
    """
    changed = copy.deepcopy(tree)
    for node in list(nodes(changed)):
        if _is_neighbour(node):
            window = _window(node["function_name"], node["arguments"], node["alias"])
            node.clear()
            node.update(window)
    return changed


def _window(name: str, arguments: list[Tree], alias: str) -> Tree:
    value, *by = arguments
    return {
        "class": "WINDOW",
        "type": _NEIGHBOURS[name],
        "alias": alias,
        "query_location": 0,
        "function_name": name,
        "qualified_name": {"path": [name]},
        "arguments": [value, *(by or [value | {"expression": _ONE}]), value],
        "partitions": [_column(key) for key in ("src_dataset", "src_episode")],
        "orders": [
            {
                "type": "ORDER_DEFAULT",
                "null_order": "ORDER_DEFAULT",
                "expression": _column("frame_index"),
            }
        ],
        "start": "UNBOUNDED_PRECEDING",
        "end": "CURRENT_ROW_RANGE",
        "exclude_clause": "NO_OTHER",
    }


def _column(name: str) -> Tree:
    return {
        "class": "COLUMN_REF",
        "type": "COLUMN_REF",
        "alias": "",
        "query_location": 0,
        "column_names": [name],
    }


def with_vector_macros(tree: Tree) -> Iterator[Tree]:
    """Yield the trees in which operators are macros on vectors: few of them first."""
    found = [node for node in nodes(tree) if _is_operator(node)]
    if not 0 < len(found) <= _MANY:
        return
    each = [
        [None, *(OPERATORS[n["function_name"]] if len(found) <= _FEW else OPERATORS[n["function_name"]][:1])]
        for n in found
    ]
    for names in sorted(product(*each), key=lambda names: sum(name is not None for name in names)):
        if any(names):
            changed = copy.deepcopy(tree)
            again = [node for node in nodes(changed) if _is_operator(node)]
            for node, name in zip(again, names, strict=True):
                if name is not None:
                    _rename(node, name)
            yield changed


def with_sums(tree: Tree, binds: Callable[[Tree], bool]) -> Iterator[Tree]:
    """Yield trees in which one more + is a sum of vectors: DuckDB would put one behind the other."""
    tried = 0
    while True:
        changed = copy.deepcopy(tree)
        left = [node for node in nodes(changed) if _is_operator(node) and node["function_name"] == "+"]
        if tried >= len(left):
            return
        _rename(left[tried], OPERATORS["+"][0])
        if binds(changed):
            tree = changed
            yield changed
        else:
            tried += 1


def take_windows_out(tree: Tree) -> list[Tree]:
    """Take the outermost windows out of a tree; return them. In their place stand the names of columns.

    An aggregate cannot contain a window: it has to be a column before.
    """
    windows: list[Tree] = []
    for node in _outermost(tree):
        windows.append(copy.deepcopy(node))
        node.clear()
        node.update(_column(name_window(len(windows) - 1)))
    return windows


def name_window(number: int) -> str:
    """Return the name of a column that holds what a window gave."""
    return f"window_{number}"


def _outermost(node: object) -> Iterator[Tree]:
    if isinstance(node, dict):
        is_ours = node.get("class") == "FUNCTION" and node.get("function_name") in OF_FRAMES
        if is_ours or node.get("class") == "WINDOW":
            yield node
            return
    below: Sequence[object] = (
        list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else ()
    )
    for part in below:
        yield from _outermost(part)


def _is_operator(node: Tree) -> bool:
    two = len(node.get("arguments") or ()) == 2
    return node.get("class") == "FUNCTION" and two and node["function_name"] in OPERATORS


def _is_neighbour(node: Tree) -> bool:
    few = len(node.get("arguments") or ()) in (1, 2)
    return node.get("class") == "FUNCTION" and few and node["function_name"] in _NEIGHBOURS


def _rename(node: Tree, name: str) -> None:
    node |= {"function_name": name, "is_operator": False, "qualified_name": {"path": [name]}}
