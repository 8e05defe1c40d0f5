"""Sources in every spelling, and the command that the outputs remember."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from lecompose.composition.named_sources import NamedSources, name_sources, output_folder
from lecompose.composition.options import OPTIONS
from lecompose.composition.request import record_command
from lecompose.composition.settings import Options, name_quantiles, parse_options
from lecompose.errors import RequestError
from lecompose.formats import QUANTILES, Limits


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
        parse_options(**wrong)  # type: ignore[arg-type]


def test_command_is_a_line_that_a_shell_reads_back() -> None:
    text = record_command(
        "filter",
        name_sources([("it's", "my sets/a"), "b"]),
        "somewhere/else/out dir",
        parse_options(robot_type="arm", reencode=False, threads=4, overwrite=True),
        [("--where", "task = 'a b'"), ("--where-frames", None), ("--in-order", True), ("--other", False)],
    )
    assert shlex.split(text) == [
        "lecompose", "filter", "it's=my sets/a", "b=b", "-o", "out dir",
        "--where", "task = 'a b'", "--in-order", "--robot-type", "arm", "--no-reencode",
    ]  # fmt: skip


def test_command_leaves_defaults_out() -> None:
    assert (
        record_command("merge", name_sources(["a", "b"]), "out", parse_options())
        == "lecompose merge a b -o out"
    )


def test_every_option_is_recorded_in_one_order() -> None:
    """The line is written into lineage.parquet: another order would be other bytes."""
    settings = parse_options(
        robot_type="arm", fps=15, remove=["wrist", "a:x", "wrist"], rename={"old": "new"}, features="union",
        fill="zero", cast=["action=float32"], data_mb=10.5, video_mb=20, chunk_files=3,
        concatenate_data=False, concatenate_videos=False, row_groups="packed", rewrite_data=True,
        reencode=False, quantiles=[0.5, 0.05], skip_broken=True, overwrite=True, dry_run=True, threads=2,
        memory="1GB",
    )  # fmt: skip
    assert shlex.split(record_command("merge", name_sources("a"), "out", settings))[5:] == [
        "--robot-type", "arm", "--fps", "15", "--features", "union", "--fill", "zero", "--data-mb", "10.5",
        "--video-mb", "20", "--chunk-files", "3", "--row-groups", "packed", "--remove", "wrist",
        "--remove", "a:x", "--rename", "old=new", "--cast", "action=float32", "--quantiles", "0.05,0.5",
        "--no-concatenate-data", "--no-concatenate-videos", "--rewrite-data", "--no-reencode",
        "--skip-broken",
    ]  # fmt: skip
    added = parse_options(add={"b:int64": "1", "a": "frame_index * 2"})
    assert added.recorded[:2] == (("--add", "b:int64=1"), ("--add", "a=frame_index * 2"))


def test_the_table_says_what_type_checkers_and_formats_say() -> None:
    assert [option.name for option in OPTIONS] == list(Options.__annotations__)
    assert parse_options().limits == Limits()
    defaults = {option.name: option.default for option in OPTIONS}
    assert name_quantiles(defaults["quantiles"]) == QUANTILES


def test_there_is_no_other_option() -> None:
    with pytest.raises(TypeError, match="colour"):
        parse_options(colour="red")  # type: ignore[call-arg]
