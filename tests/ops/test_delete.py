"""Deleting is filtering with the complement; the source stays as it is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import digest
from independent import assert_composed

import lecompose
from lecompose.cli import main
from lecompose.errors import EmptyOutput, RequestError, UnknownEpisode

Record = Callable[..., Path]


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
@pytest.mark.parametrize("episodes", ["0", "2,4:6", "6", [1, 5], ":6"])
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
