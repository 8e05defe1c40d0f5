"""Filtering by SQL predicates over episodes and over their frames; what tries to escape changes nothing."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import digest
from support.effort import few
from support.independent import assert_composed, numbers, read

import lecompose
from lecompose.cli import main
from lecompose.errors import EmptyOutput, QueryError, RequestError

Record = Callable[..., Path]


@pytest.fixture
def source(recorded: Record) -> Path:
    return recorded(
        frames=(5, 12, 3, 9, 4, 8), cameras=("front",), tasks=("pick the cup", "place the CUP", "wave")
    )


@pytest.mark.parametrize(
    ("where", "kept"),
    few(
        [
            ("length > 4 and task ilike '%cup%'", [0, 1, 3]),
            ("src_episode in (0, 1, 2, 3, 4, 5)", [0, 1, 2, 3, 4, 5]),
            ("length > (select avg(length) from episodes)", [1, 3, 5]),
            ("seconds < 0.2", [0, 2, 4]),
            ("list_contains(tasks, 'wave')", [2, 5]),
            ("true", [0, 1, 2, 3, 4, 5]),
            ("exists (select 1 from tasks t where t.task = episodes.task and t.src_task = 1)", [1, 4]),
        ],
        kept=lambda n: n % 2 == 0,
    ),
)
def test_where(where: str, kept: list[int], source: Path, tmp_path: Path) -> None:
    report = lecompose.filter(source, out=tmp_path / "out", where=where)
    assert report.frames_decoded == 0
    assert_composed(tmp_path / "out", [(source, n) for n in kept])


def test_where_statistics(source: Path, tmp_path: Path) -> None:
    peaks = [numbers(e.rows["action"])[:, 1].max() for e in read(source).episodes]
    limit = float(np.median(peaks))
    lecompose.filter(source, out=tmp_path / "out", where=f"stats.action.max[2] <= {limit!r}")
    assert_composed(tmp_path / "out", [(source, n) for n, peak in enumerate(peaks) if peak <= limit])


def test_where_frames(source: Path, tmp_path: Path) -> None:
    episodes = read(source).episodes
    peaks = [np.abs(numbers(e.rows["action"])[:, 0]).max() for e in episodes]
    limit = float(np.median(peaks))
    lecompose.filter(source, out=tmp_path / "out", where_frames=f"max(abs(action[1])) < {limit!r}")
    kept = [n for n, peak in enumerate(peaks) if peak < limit]
    assert 0 < len(kept) < len(episodes), "a test mistake"
    assert_composed(tmp_path / "out", [(source, n) for n in kept])


def test_names_with_dots_are_quoted(source: Path, tmp_path: Path) -> None:
    firsts = [numbers(e.rows["observation.state"])[:, 2].mean() for e in read(source).episodes]
    limit = float(np.median(firsts))
    lecompose.filter(source, out=tmp_path / "out", where_frames=f'avg("observation.state"[3]) > {limit!r}')
    assert_composed(tmp_path / "out", [(source, n) for n, mean in enumerate(firsts) if mean > limit])


def test_both_must_hold(source: Path, tmp_path: Path) -> None:
    lecompose.filter(source, out=tmp_path / "out", where="length > 4", where_frames="count(*) < 9")
    assert_composed(tmp_path / "out", [(source, 0), (source, 5)])


def test_several_sources(source: Path, dataset_v21: Path, recorded: Record, tmp_path: Path) -> None:
    other = recorded(version="v2.1", frames=(6, 20), cameras=("front",), seed=4, tasks=("wave", "lift"))
    lecompose.filter({"a": source, "b": other}, out=tmp_path / "out", where="src_dataset = 'b' or length = 3")
    assert_composed(tmp_path / "out", [(source, 2), (other, 0), (other, 1)])


def test_no_predicate_and_no_episode(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--where"):
        lecompose.filter(source, out=tmp_path / "out")
    with pytest.raises(EmptyOutput):
        lecompose.filter(source, out=tmp_path / "out", where="length > 1000")
    with pytest.raises(EmptyOutput):
        lecompose.filter(source, out=tmp_path / "out", where="length > null")
    assert list(tmp_path.iterdir()) == []


ESCAPES = [
    "1=1) or (1=1",
    "true; drop table episodes",
    "(select count(*) from read_csv('/etc/passwd')) > 0",
    "exists (select 1 from read_text('/etc/hostname'))",
    "exists (select 1 from glob('/*'))",
    "exists (select 1 from '/etc/passwd')",
    "copy (select 1) to '{target}'",
    "exists (with x as (copy (select 1) to '{target}' (use_tmp_file false)) select 1)",
    "attach '{target}'",
    "install httpfs",
    "load httpfs",
    "set threads = 1",
    "pragma database_list",
    "",
    "length >",
    "lenght > 3",
    "'; --",
]


@pytest.mark.parametrize(
    ("option", "predicate"),
    few(
        product(("--where", "--where-frames"), ESCAPES),
        kept=lambda n: (n + n // len(ESCAPES)) % 2 == 0,
    ),
)
def test_what_tries_to_escape_is_refused(option: str, predicate: str, source: Path, tmp_path: Path) -> None:
    before = digest(source)
    target = next(source.glob("data/*/*.parquet"))
    arguments = ["filter", source, "-o", tmp_path / "out", option, predicate.replace("{target}", str(target))]
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []
    assert digest(source) == before


def test_a_mistake_is_told_with_its_place_and_the_names_that_exist(source: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError) as error:
        lecompose.filter(source, out=tmp_path / "out", where="lenght > 3")
    assert "lenght" in str(error.value)
    assert "length" in str(error.value)
    with pytest.raises(QueryError, match=r"max\("):
        lecompose.filter(source, out=tmp_path / "out", where_frames="action[1] < 2.5")


def test_what_is_neither_true_nor_false_is_told(source: Path, tmp_path: Path) -> None:
    report = lecompose.filter(source, out=tmp_path / "out", where="case when src_episode > 3 then true end")
    assert "neither true nor false for 4 of 6 episodes" in " ".join(report.notes)
    with pytest.raises(EmptyOutput, match=r"(?s)no episode passes.*for 6 of 6 episodes; an index outside"):
        lecompose.filter(source, out=tmp_path / "none", where_frames="max(action[7]) > 0")


def test_double_quotes_are_for_names(source: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="Try: 'wave', if it is a text"):
        lecompose.filter(source, out=tmp_path / "out", where='task = "wave"')
