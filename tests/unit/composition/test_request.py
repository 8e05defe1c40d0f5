"""Sources in every spelling, and the command that the outputs remember."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from lecompose.composition.request import NamedSources, Settings, name_sources, output_folder, record_command
from lecompose.errors import RequestError


@dataclass
class Loaded:
    """What of a LeRobotDataset matters here."""

    root: Path
    episodes: list[int] | None = None


@pytest.mark.parametrize(
    ("sources", "means"),
    [
        ("a", NamedSources(("a",), None, (None,))),
        (Path("x/a"), NamedSources(("x/a",), None, (None,))),
        (["a", Path("b")], NamedSources(("a", "b"), None, (None, None))),
        ({"one": "a", "two": Path("b")}, NamedSources(("a", "b"), ("one", "two"), (None, None))),
        ([("one", "a"), "x/b"], NamedSources(("a", "x/b"), ("one", "b"), (None, None))),
        (Loaded(Path("x/a")), NamedSources(("x/a",), None, (None,))),
        (["b", Loaded(Path("x/a"), [3, 1])], NamedSources(("b", "x/a"), None, (None, (3, 1)))),
        ({"one": Loaded(Path("a"), [])}, NamedSources(("a",), ("one",), ((),))),
    ],
)
def test_sources(sources: object, means: NamedSources) -> None:
    assert name_sources(sources, partly=True) == means  # type: ignore[arg-type]


def test_some_episodes_are_not_taken_for_all() -> None:
    with pytest.raises(RequestError, match="merge it by itself first"):
        name_sources(["a", Loaded(Path("b"), [0])])


def test_destination(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert output_folder("out") == tmp_path / "out"
    with pytest.raises(RequestError, match="no name"):
        output_folder("")


@pytest.mark.parametrize(
    "wrong", [{"data_mb": 0}, {"video_mb": -1}, {"chunk_files": float("inf")}, {"row_groups": "many"}]
)
def test_settings_that_are_none(wrong: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_command_is_a_line_that_a_shell_reads_back() -> None:
    text = record_command(
        "filter",
        name_sources([("it's", "my sets/a"), "b"]),
        "somewhere/else/out dir",
        Settings(robot_type="arm", reencode=False, threads=4, overwrite=True),
        [("--where", "task = 'a b'"), ("--where-frames", None), ("--in-order", True), ("--other", False)],
    )
    assert shlex.split(text) == [
        "lecompose", "filter", "it's=my sets/a", "b=b", "-o", "out dir",
        "--where", "task = 'a b'", "--in-order", "--robot-type", "arm", "--no-reencode",
    ]  # fmt: skip


def test_command_leaves_defaults_out() -> None:
    assert (
        record_command("merge", name_sources(["a", "b"]), "out", Settings()) == "lecompose merge a b -o out"
    )
