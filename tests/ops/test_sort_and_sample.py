"""Order by SQL terms, and draws: the same seed, the same episodes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import digest
from support.effort import few, thorough
from support.independent import assert_composed, read

import lecompose
from lecompose.cli import main
from lecompose.errors import QueryError, RequestError

Record = Callable[..., Path]
LENGTHS = (5, 12, 3, 9, 4, 8)


@pytest.fixture
def source(recorded: Record) -> Path:
    return recorded(frames=LENGTHS, cameras=("front",), tasks=("b", "a"))


def drawn(out: Path) -> list[int]:
    """The source episode of each: lengths are all different."""
    return [LENGTHS.index(len(episode)) for episode in read(out).episodes]


# Sort -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "order"),
    few(
        [
            ("length", [2, 4, 0, 5, 3, 1]),
            ("length desc", [1, 3, 5, 0, 4, 2]),
            ("task, length desc", [1, 3, 5, 0, 4, 2]),
            ("task", [1, 3, 5, 0, 2, 4]),
            ("1", [0, 1, 2, 3, 4, 5]),
        ],
        kept=lambda n: n % 2 == 0,
    ),
)
def test_sort(by: str, order: list[int], source: Path, tmp_path: Path) -> None:
    report = lecompose.sort(source, out=tmp_path / "out", by=by)
    assert report.frames_decoded == 0
    assert_composed(tmp_path / "out", [(source, n) for n in order])


@pytest.mark.parametrize(
    "by", ["", "length; drop table episodes", "(select 1 from read_csv('/etc/passwd'))", "lenght"]
)
def test_sort_refuses_what_is_no_order(by: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError):
        lecompose.sort(source, out=tmp_path / "out", by=by)
    assert list(tmp_path.iterdir()) == []


def test_sort_command(source: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["sort", str(source), "-o", str(tmp_path / "out"), "--by", "length desc"])
    assert done.exit_code == 0, done.output
    assert drawn(tmp_path / "out") == [1, 3, 5, 0, 4, 2]


# Sample ---------------------------------------------------------------------------------------------


@thorough
def test_all_of_them_is_a_shuffle(source: Path, tmp_path: Path) -> None:
    orders = set()
    for seed in range(2, 4):
        lecompose.sample(source, out=tmp_path / f"{seed}", seed=seed)
        order = drawn(tmp_path / f"{seed}")
        assert sorted(order) == list(range(6))
        assert_composed(tmp_path / f"{seed}", [(source, n) for n in order], pictures=seed == 2)
        orders.add(tuple(order))
    assert len(orders) > 1
    lecompose.sample(source, out=tmp_path / "again", episodes=6, seed=3)
    assert drawn(tmp_path / "again") == drawn(tmp_path / "3")


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(source: Path, tmp_path: Path) -> None:
    lecompose.sample(source, out=tmp_path / "all", seed="spring")
    lecompose.sample(source, out=tmp_path / "some", episodes=3, seed="spring")
    assert drawn(tmp_path / "some") == drawn(tmp_path / "all")[:3]


def test_strata_are_drawn_from_in_proportion(recorded: Record, tmp_path: Path) -> None:
    source = recorded(frames=(2,) * 100, cameras=(), tasks=("cup", "cup", "cup", "pen", "box"))
    lecompose.sample(source, out=tmp_path / "out", episodes=10, by="task", seed=5)
    assert Counter(e.tasks[0] for e in read(tmp_path / "out").episodes) == {"cup": 6, "pen": 2, "box": 2}
    report = lecompose.sample(source, out=tmp_path / "two", episodes=2, by="task", seed=5)
    assert report.episodes == 2
    assert any("none in two" in note for note in report.notes)


@pytest.mark.parametrize("episodes", [0, -1, 7])
def test_no_more_than_there_are(episodes: int, source: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="the sources hold 6"):
        lecompose.sample(source, out=tmp_path / "out", episodes=episodes)
    assert list(tmp_path.iterdir()) == []


def test_sample_command(source: Path, tmp_path: Path) -> None:
    arguments = ["sample", source, "-o", tmp_path / "out", "--episodes", 4, "--seed", 1, "--by", "task"]
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    lecompose.sample(source, out=tmp_path / "twin", episodes=4, seed=1, by="task")
    assert digest(tmp_path / "out" / "data") == digest(tmp_path / "twin" / "data")
