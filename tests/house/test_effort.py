"""What only `make thorough` tries is listed in tests/README.md, and nothing else is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_the_list_is_whole() -> None:
    listed = re.findall(r"^\| `([\w/]+\.py::\w+)` \|", (TESTS / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(set(listed))
    files = [path for path in TESTS.rglob("test_*.py") if path != Path(__file__).resolve()]
    assert sorted(listed) == sorted(name for path in files for name in reduced(path))


def reduced(path: Path) -> Iterator[str]:
    """The tests and fixtures of a file that say how much is tried, or whose constants or cases say it."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    words, makers = set[str](), set[str]()
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module == "support.effort":
            words |= {name.name for name in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign) and (words | makers) & names_in(node):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            words |= names_in(*targets)
        elif isinstance(node, ast.FunctionDef) and is_run(node):
            if words & names_in(node) or makers & names_in(*node.decorator_list):
                yield f"{path.relative_to(TESTS).as_posix()}::{node.name}"
        elif isinstance(node, ast.FunctionDef) and words & names_in(node):
            makers.add(node.name)


def is_run(function: ast.FunctionDef) -> bool:
    return function.name.startswith("test_") or any(
        "fixture" in ast.unparse(decorator) for decorator in function.decorator_list
    )


def names_in(*nodes: ast.AST) -> set[str]:
    return {name.id for node in nodes for name in ast.walk(node) if isinstance(name, ast.Name)}
