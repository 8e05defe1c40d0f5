"""Mixtures: of each source a share."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from support.independent import assert_composed

import lecompose
from lecompose.cli import main
from lecompose.errors import RequestError

Record = Callable[..., Path]
TINY: dict[str, Any] = {"cameras": (), "state_dim": 1, "action_dim": 1}


@pytest.fixture(scope="module")
def sources(recorded: Record) -> dict[str, Path]:
    a = recorded(**TINY, frames=(4, 9, 5, 7, 3, 8), seed=1)
    return {"a": a, "b": recorded(**TINY, frames=(6, 2, 5), seed=2, version="v2.1")}


def picks(plan: pa.Table | None) -> list[tuple[str, int]]:
    assert plan is not None
    return list(zip(plan["src_dataset"].to_pylist(), plan["src_episode"].to_pylist(), strict=True))


def draw(sources: Any, **how: Any) -> list[tuple[str, int]]:
    return picks(lecompose.sample(sources, out="nowhere/out", dry_run=True, **how).plan)


def test_the_largest_without_repeats(sources: dict[str, Path]) -> None:
    drawn = draw(sources, shares={"a": 0.6, "b": "2/5"})
    assert Counter(name for name, _ in drawn) == {"a": 4, "b": 3}
    assert len(set(drawn)) == 7
    assert draw(sources, shares={"a": 0.6, "b": "2/5"}) == drawn
    assert draw(sources, shares={"a": 0.6, "b": "2/5"}, seed=1) != drawn


def test_counts_are_exact_and_repeats_even(sources: dict[str, Path]) -> None:
    drawn = draw(sources, shares={"a": "25%", "b": "75%"}, episodes=10, repeat=True)
    assert Counter(name for name, _ in drawn) == {"a": 3, "b": 7}  # of 2.5 and 7.5
    times = Counter(episode for name, episode in drawn if name == "b")
    assert sorted(times.values()) == [2, 2, 3]


def test_frames_are_as_near_as_episodes_can_be(sources: dict[str, Path]) -> None:
    lengths = {"a": (4, 9, 5, 7, 3, 8), "b": (6, 2, 5)}
    drawn = draw(sources, shares={"a": 0.7, "b": 0.3}, frames=30)
    for name, wanted in (("a", 21), ("b", 9)):
        found = [lengths[name][episode] for source, episode in drawn if source == name]
        assert abs(sum(found) - wanted) <= max(lengths[name]) / 2


def test_the_output_holds_them(sources: dict[str, Path], tmp_path: Path) -> None:
    words = [*(f"{name}={root}" for name, root in sources.items()), "-o", str(tmp_path / "mix")]
    options = ["--share", "a=0.5", "--share", "b=0.5", "--episodes", "8", "--repeat", "--seed", "x", "--json"]
    done = CliRunner().invoke(main, ["sample", *words, *options])
    assert done.exit_code == 0, done.output
    drawn = draw(sources, shares={"a": 0.5, "b": 0.5}, episodes=8, repeat=True, seed="x")
    assert_composed(tmp_path / "mix", [(sources[name], episode) for name, episode in drawn])


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"shares": {"a": 0.5, "b": 0.4}}, "sum to 0.9"),
        ({"shares": {"a": 1}}, '"b" has no share'),
        ({"shares": {"a": 0.5, "bb": 0.5}}, 'did you mean "b"'),
        ({"shares": {"a": "half", "b": 0.5}}, "a number above 0"),
        ({"shares": {"a": 0.5, "b": 0.5}, "episodes": 8}, '"b": 4 of 3'),
        ({"shares": {"a": 0.5, "b": 0.5}, "by": "task"}, "no --by"),
        ({"shares": {"a": 0.5, "b": 0.5}, "episodes": 2, "frames": 9}, "either --episodes or --frames"),
        ({"frames": 9}, "need --share"),
    ],
)
def test_what_cannot_be(how: dict[str, Any], says: str, sources: dict[str, Path]) -> None:
    with pytest.raises(RequestError, match=says):
        draw(sources, **how)


def test_many_repetitions_are_told_before_they_are_written(sources: dict[str, Path], tmp_path: Path) -> None:
    words = ["sample", *(f"{name}={root}" for name, root in sources.items()), "-o", str(tmp_path / "mix")]
    words += ["--share", "a=0.1", "--share", "b=0.9", "--episodes", "30", "--repeat"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    first, *_ = done.stderr.splitlines()
    assert first.startswith("before anything is written: of the ")
    assert "one episode is in it 9 times: it takes about 0." in first
    report = lecompose.sample(
        sources, out=tmp_path / "few", shares={"a": 0.5, "b": 0.5}, episodes=8, repeat=True
    )
    assert not any("different ones" in note for note in report.notes)


def test_a_recipe_that_multiplies_rows_is_told(sources: dict[str, Path], tmp_path: Path) -> None:
    class Watch:
        def __init__(self) -> None:
            self.said: list[str] = []

        def stage(self, name: str, size_bytes: int, episodes: int = 0) -> None:
            self.said.append(name)

        def advance(self, size_bytes: int, episodes: int = 0) -> None: ...

        def warn(self, text: str) -> None:
            self.said.append(text)

    watch = Watch()
    recipe = "select a.src_dataset, a.src_episode from episodes a, frames f order by all"
    report = lecompose.compose(recipe, sources["b"], out=tmp_path / "out", progress=watch)
    assert "of the 169 frames of this plan only 13 are different ones" in watch.said[0]
    assert report.notes[0] == watch.said[0]
