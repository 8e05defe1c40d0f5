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
    """The tests and fixtures of a file that say, or whose constants say, how much is tried."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    words: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module == "support.effort":
            words |= {name.name for name in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign) and words & names_in(node):
            words |= set().union(
                *map(names_in, node.targets if isinstance(node, ast.Assign) else [node.target])
            )
        elif isinstance(node, ast.FunctionDef) and is_run(node) and words & names_in(node):
            yield f"{path.relative_to(TESTS).as_posix()}::{node.name}"


def is_run(function: ast.FunctionDef) -> bool:
    return function.name.startswith("test_") or any(
        "fixture" in ast.unparse(decorator) for decorator in function.decorator_list
    )


def names_in(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
