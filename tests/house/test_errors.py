"""The error tree: what callers catch, scripts read as exit codes, and users are told."""

import ast
import copy
import inspect
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lecompose
from lecompose import errors

TREE = {
    "ComposeError": ("Exception", 1),
    "RequestError": ("ComposeError", 2),
    "UnknownEpisode": ("RequestError", 2),
    "FeatureMismatch": ("RequestError", 2),
    "EmptyOutput": ("RequestError", 2),
    "QueryError": ("RequestError", 2),
    "SourceError": ("ComposeError", 3),
    "SourceNotFound": ("SourceError", 3),
    "SourceBroken": ("SourceError", 3),
    "UnsupportedVersion": ("SourceError", 3),
    "MediaError": ("ComposeError", 4),
    "OutputError": ("ComposeError", 5),
    "OutputBusy": ("OutputError", 5),
    "OutputExists": ("OutputError", 5),
    "OutputUnwritable": ("OutputError", 5),
    "VerifyError": ("ComposeError", 6),
}
ALSO = {"SourceNotFound": FileNotFoundError, "OutputExists": FileExistsError}


def defined() -> dict[str, type[errors.ComposeError]]:
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: kind for name, kind in classes if issubclass(kind, errors.ComposeError)}


def test_tree_and_exit_codes() -> None:
    assert {name: (kind.__bases__[0].__name__, kind.exit_code) for name, kind in defined().items()} == TREE


@pytest.mark.parametrize(("name", "builtin"), ALSO.items())
def test_is_caught_as_the_builtin_too(name: str, builtin: type[OSError]) -> None:
    assert issubclass(getattr(errors, name), builtin)
    # OSError unpacks two arguments as errno and text; ours is one message.
    assert str(getattr(errors, name)("it is there. (/data/a)")) == "it is there. (/data/a)"


@pytest.mark.parametrize("name", TREE)
def test_is_public_and_documented(name: str) -> None:
    assert name in lecompose.__all__
    assert getattr(lecompose, name) is getattr(errors, name)
    own = getattr(errors, name).__doc__
    assert own, f"{name} has no docstring"
    assert own.splitlines()[0].endswith("."), f"{name}: the first line is a sentence"


def test_the_tree_drawn_on_top_is_the_tree() -> None:
    drawn: dict[str, tuple[str, int]] = {}
    above: list[tuple[int, str, int]] = [(-1, "Exception", 1)]
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^( *(?:[│├└]\s*─* *)*)([A-Z]\w+(?:Error|\w))(?:\s+(?:exit|(\d)))?\b", line)
        if not found or found[2] not in defined():
            continue
        depth, name = len(found[1]), found[2]
        while above[-1][0] >= depth:
            above.pop()
        code = int(found[3]) if found[3] else above[-1][2]
        drawn[name] = (above[-1][1], code)
        above.append((depth, name, code))
    assert drawn == TREE


PATH = Path("/data/a/meta/info.json")
# What an error is made of, and the text that it renders.
RENDERED: list[tuple[dict[str, Any], str]] = [
    ({}, "it is gone"),
    ({"hint": "--overwrite"}, "it is gone. Try: --overwrite"),
    ({"path": PATH}, "it is gone. (/data/a/meta/info.json)"),
    ({"path": "data/"}, "it is gone. (data/)"),
    ({"hint": "git lfs pull", "path": PATH}, "it is gone. Try: git lfs pull. (/data/a/meta/info.json)"),
    ({"reason": "no such file"}, "it is gone: no such file"),
    ({"reason": "Too short?", "path": PATH}, "it is gone: Too short? (/data/a/meta/info.json)"),
    ({"reason": "it ends early.", "hint": "again"}, "it is gone: it ends early. Try: again"),
    ({"feature": "action"}, 'feature "action": it is gone'),
    ({"episode": 0, "path": PATH}, "episode 0: it is gone. (/data/a/meta/info.json)"),
    ({"source": "a", "episode": 3, "feature": "b"}, 'source "a", episode 3, feature "b": it is gone'),
    ({"parts": ["one", "two"]}, "it is gone:\n  - one\n  - two"),
    ({"parts": ["one"], "hint": "lecompose check"}, "it is gone. Try: lecompose check:\n  - one"),
    ({"parts": ["one"], "path": PATH}, "it is gone:\n  - one\n(/data/a/meta/info.json)"),
    ({"notes": ["0 is a number"]}, "it is gone\n0 is a number"),
    ({"reason": "first\nsecond", "hint": "again"}, "it is gone: first\nsecond\nTry: again"),
]


@pytest.mark.parametrize(("facts", "text"), RENDERED)
@pytest.mark.parametrize("name", ["ComposeError", "SourceNotFound", "OutputExists"])
def test_an_error_renders_its_facts(name: str, facts: dict[str, Any], text: str) -> None:
    error = getattr(errors, name)("it is gone", **facts)
    assert str(error) == text
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == text
        assert vars(again) == vars(error)
    known = {key: value for key, value in vars(error).items() if value not in (None, ())}
    assert known == {"problem": "it is gone"} | {
        k: tuple(v) if k in ("parts", "notes") else v for k, v in facts.items()
    }


def test_all_problems_are_listed_and_the_rest_counted() -> None:
    text = errors.listed("three cameras do not fit:", ["front", "wrist", "top"], limit=2)
    assert text.splitlines() == ["three cameras do not fit:", "  - front", "  - wrist", "  … and 1 more"]


def test_problems_of_several_items_come_together_in_the_family_they_share() -> None:
    problems = {"a": errors.SourceNotFound("no a"), "b": None, "c": errors.SourceBroken("bad c")}

    def look(name: str) -> str:
        if problems[name]:
            raise problems[name]
        return name

    assert errors.collect(["b", "b"], look, what="sources") == ["b", "b"]
    with pytest.raises(errors.SourceNotFound, match=r"^no a$"):
        errors.collect(["a", "b"], look, what="sources")
    with pytest.raises(errors.SourceError, match=r"2 sources cannot be read:\n  - no a\n  - bad c") as raised:
        errors.collect(list("abc"), look, what="sources")
    assert type(raised.value) is errors.SourceError


def names_ours(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Name) and n.id in TREE for n in ast.walk(node))


def names_of_errors(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The variables that hold an error of ours, each with the code that they are known in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.name and node.type and names_ours(node.type):
            yield node.name, node
        if isinstance(node, ast.FunctionDef):
            for argument in node.args.args + node.args.kwonlyargs:
                if argument.annotation and names_ours(argument.annotation):
                    yield argument.arg, node


def reads_text(node: ast.AST, name: str) -> bool:
    """Whether this looks into the text of the error: a method of it, a slice, a search in it."""

    def is_text(found: ast.AST) -> bool:
        called = isinstance(found, ast.Call) and getattr(found.func, "id", "") in ("str", "repr")
        return called and any(getattr(n, "id", "") == name for n in found.args)  # type: ignore[attr-defined]

    looked_into = {ast.Attribute: "value", ast.Subscript: "value"}
    if isinstance(node, ast.Compare):
        return any(map(is_text, [node.left, *node.comparators]))
    return type(node) in looked_into and is_text(getattr(node, looked_into[type(node)]))


def test_no_code_reads_the_text_of_an_error_of_ours() -> None:
    package = Path(lecompose.__file__).parent
    found = [
        f"{path.relative_to(package)}:{node.lineno}"  # type: ignore[attr-defined]
        for path in sorted(package.rglob("*.py"))
        for name, known in names_of_errors(ast.parse(path.read_text()))
        for node in ast.walk(known)
        if reads_text(node, name)
    ]
    assert not found, "these read an error's text; let it carry the fact"
