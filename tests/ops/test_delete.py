"""Deleting is filtering with the complement; the source stays as it is."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import digest
from support.effort import few
from support.independent import assert_composed, every

import lecompose
from lecompose.cli import main
from lecompose.errors import EmptyOutput, RequestError, UnknownEpisode

Record = Callable[..., Path]


@pytest.mark.parametrize(
    ("episodes", "version"),
    few(
        product(("0", "2,4:6", "6", [1, 5], ":6"), ("v2.0", "v2.1", "v3.0")),
        kept=lambda n: n % 3 == n // 3 % 3,
    ),
)
def test_the_others_are_left(
    recorded: Record, version: str, episodes: str | list[int], tmp_path: Path
) -> None:
    source = recorded(version=version, frames=(5, 8, 3, 9, 4, 6, 7), tasks=("a", "b", "c"))
    gone = {"0": {0}, "2,4:6": {2, 4, 5}, "6": {6}, ":6": set(range(6))}.get(str(episodes), {1, 5})
    before = digest(source)
    report = lecompose.delete(source, out=tmp_path / "out", episodes=episodes)
    assert (report.frames_decoded, report.reencoded) == (0, ())
    assert_composed(tmp_path / "out", [(source, n) for n in range(7) if n not in gone])
    assert digest(source) == before


def test_is_filter_with_the_complement(dataset_v30_many_files: Path, tmp_path: Path) -> None:
    lecompose.delete(dataset_v30_many_files, out=tmp_path / "a", episodes="1,5:7")
    lecompose.filter(dataset_v30_many_files, out=tmp_path / "b", where="src_episode not in (1, 5, 6)")
    for family in (
        "data",
        "videos",
        "meta/tasks.parquet",
        "meta/episodes",
        "meta/stats.json",
        "meta/info.json",
    ):
        one, other = tmp_path / "a" / family, tmp_path / "b" / family
        same = digest(one) == digest(other) if one.is_dir() else one.read_bytes() == other.read_bytes()
        assert same, family


def test_a_task_that_nobody_does_any_more_is_gone(recorded: Record, tmp_path: Path) -> None:
    source = recorded(frames=(3, 4, 5), cameras=(), tasks=("a", "b", "c"))
    lecompose.delete(source, out=tmp_path / "out", episodes="0")
    assert assert_composed(tmp_path / "out", [(source, 1), (source, 2)]).tasks == ("b", "c")


def test_impossible_requests(dataset_v30: Path, dataset_v21: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownEpisode, match=r"there are episodes 0 to 2; there is no:\n  - episode 3"):
        lecompose.delete(dataset_v30, out=tmp_path / "out", episodes="3")
    with pytest.raises(EmptyOutput):
        lecompose.delete(dataset_v30, out=tmp_path / "out", episodes=":")
    with pytest.raises(RequestError):
        lecompose.delete(dataset_v30, out=tmp_path / "out", episodes="one")
    with pytest.raises(RequestError, match="takes one dataset"):
        lecompose.delete([dataset_v30, dataset_v21], out=tmp_path / "out", episodes="1")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_command(dataset_v30: Path, tmp_path: Path) -> None:
    arguments = ["delete", dataset_v30, "-o", tmp_path / "out", "--episodes", "0,2"]
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    assert_composed(tmp_path / "out", [(dataset_v30, 1)])


# Some episodes of each source ---------------------------------------------------------------------


def test_merge_takes_the_named_episodes(recorded: Record, tmp_path: Path) -> None:
    a, b = recorded(frames=(5, 3, 4, 6), codec="h264"), recorded(version="v2.1", codec="h264", seed=5)
    lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", episodes={"a": "3,0:2"})
    picks = [(a, 0), (a, 1), (a, 3), *every(b)]
    assert_composed(tmp_path / "out", picks)


def test_merge_takes_the_episodes_that_a_dataset_is_open_with(recorded: Record, tmp_path: Path) -> None:
    a, b = recorded(frames=(5, 3, 4, 6), codec="h264"), recorded(version="v2.1", codec="h264", seed=5)
    lecompose.merge([Loaded(a, [2, 1]), Loaded(b)], out=tmp_path / "out")
    assert_composed(tmp_path / "out", [(a, 1), (a, 2), *every(b)])
    info = lecompose.info(Loaded(tmp_path / "out"))
    assert info.episodes == 2 + len(every(b))
    with pytest.raises(RequestError, match="some of its episodes"):
        lecompose.sort(Loaded(a, [0]), out=tmp_path / "sorted", by="length")


@dataclass
class Loaded:
    """What of a LeRobotDataset matters here."""

    root: Path
    episodes: list[int] | None = None


@pytest.mark.parametrize(
    ("episodes", "says"),
    [
        ({"c": "0"}, 'no:\n  - "c"'),
        ({"a": "0,9"}, "no:\n  - episode 9"),
        ({"a": ""}, "is neither an episode number"),
    ],
)
def test_merge_refuses_episodes_that_are_not_there(
    episodes: dict[str, str], says: str, recorded: Record, tmp_path: Path
) -> None:
    a = recorded(frames=(5, 3, 4, 6), codec="h264")
    with pytest.raises(RequestError, match=says):
        lecompose.merge({"a": a}, out=tmp_path / "out", episodes=episodes)


def test_merge_of_episodes_on_the_command_line(recorded: Record, tmp_path: Path) -> None:
    a = recorded(frames=(5, 3, 4, 6), codec="h264")
    run = CliRunner().invoke(main, ["merge", f"a={a}", "-o", str(tmp_path / "out"), "--episodes", "a=1:3"])
    assert run.exit_code == 0, run.output
    assert_composed(tmp_path / "out", [(a, 1), (a, 2)])
    lineage = lecompose.query(tmp_path / "out", "select distinct command from lineage").to_pylist()
    assert "--episodes a=1:3" in lineage[0]["command"]
