"""Any SELECT over the views is a plan."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import digest
from support.effort import every_nth
from support.independent import assert_composed

import lecompose
from lecompose.cli import main
from lecompose.errors import EmptyOutput, OutputExists, QueryError, RequestError, UnknownEpisode

Record = Callable[..., Path]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture
def pick(recorded: Record) -> Path:
    return recorded(frames=(5, 9, 3, 7), cameras=("front",), tasks=("pick", "wave"))


@pytest.fixture
def place(recorded: Record) -> Path:
    return recorded(version="v2.1", frames=(6, 4, 8), cameras=("front",), tasks=("place",), seed=1)


def test_the_rows_in_their_order(pick: Path, place: Path, tmp_path: Path) -> None:
    sql = "select src_dataset, src_episode from episodes where length between 4 and 8 order by length desc"
    report = lecompose.compose(sql, {"pick": pick, "place": place}, out=tmp_path / "out")
    assert (report.episodes, report.frames_decoded) == (5, 0)
    assert_composed(tmp_path / "out", [(place, 2), (pick, 3), (place, 0), (pick, 0), (place, 1)])


def test_interleaved(pick: Path, place: Path, tmp_path: Path) -> None:
    sql = """
        select src_dataset, src_episode
        from episodes
        order by row_number() over (partition by src_dataset order by src_episode), src_dataset
    """
    lecompose.compose(sql, {"pick": pick, "place": place}, out=tmp_path / "out")
    order = [(pick, 0), (place, 0), (pick, 1), (place, 1), (pick, 2), (place, 2), (pick, 3)]
    assert_composed(tmp_path / "out", order)


def test_an_episode_more_than_once(pick: Path, tmp_path: Path) -> None:
    sql = "select episodes.* from episodes, range(3) n(turn) where src_episode < 2 order by turn, src_episode"
    report = lecompose.compose(sql, pick, out=tmp_path / "out")
    assert_composed(tmp_path / "out", [(pick, 0), (pick, 1)] * 3)
    assert "4 episodes are picked again for an output that has them already" in report.notes


def test_several_outputs_in_one_pass(pick: Path, place: Path, tmp_path: Path) -> None:
    sql = "select src_dataset, src_episode, task as out_dataset from episodes order by length"
    report = lecompose.compose(sql, {"pick": pick, "place": place}, out=tmp_path / "tasks")
    assert [(o.path.name, o.episodes) for o in report.outputs] == [("pick", 2), ("place", 3), ("wave", 2)]
    assert_composed(tmp_path / "tasks" / "pick", [(pick, 2), (pick, 0)])
    assert_composed(tmp_path / "tasks" / "place", [(place, 1), (place, 0), (place, 2)])
    assert_composed(tmp_path / "tasks" / "wave", [(pick, 3), (pick, 1)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tasks"]


def test_by_frames_and_tasks(pick: Path, place: Path, tmp_path: Path) -> None:
    sql = """
        select src_dataset, src_episode
        from frames
        where task <> 'wave'
        group by src_dataset, src_episode
        having count(*) > 4
        order by max(abs(action[1])), src_dataset, src_episode
    """
    told = lecompose.query({"pick": pick, "place": place}, sql).to_pylist()
    lecompose.compose(sql, {"pick": pick, "place": place}, out=tmp_path / "out")
    roots = {"pick": pick, "place": place}
    assert len(told) == 3
    assert_composed(tmp_path / "out", [(roots[row["src_dataset"]], row["src_episode"]) for row in told])


@every_nth(2)
@pytest.mark.parametrize(
    ("sql", "error", "says"),
    [
        ("select src_episode from episodes", QueryError, "src_dataset"),
        ("select src_dataset, 'one' as src_episode from episodes", QueryError, "types"),
        ("select src_dataset, null::bigint as src_episode from episodes", QueryError, "without src_episode"),
        ("select src_dataset, src_episode, null as out_dataset from episodes", QueryError, "out_dataset"),
        ("select src_dataset, 99 as src_episode from episodes", UnknownEpisode, "no episode 99"),
        ("select 'x' as src_dataset, 0 as src_episode", UnknownEpisode, 'no source is called "x"'),
        ("select src_dataset, src_episode from episodes where false", EmptyOutput, "no episode"),
        (
            "select src_dataset, src_episode, '../up' as out_dataset from episodes",
            RequestError,
            "cannot be named",
        ),
        ("select 1; select 2", QueryError, "SELECT"),
        ("copy (select 1) to 'x'", QueryError, "."),
        ("with x as (copy (select 1) to 'x') select src_dataset, src_episode from episodes", QueryError, "."),
        ("attach 'x'", QueryError, "."),
        ("select src_dataset, src_episode from read_csv('/etc/passwd')", QueryError, "."),
        ("selec 1", QueryError, "selec"),
    ],
)
def test_what_is_no_plan_writes_nothing(
    sql: str, error: type[Exception], says: str, pick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = digest(pick)
    with pytest.raises(error, match=says):
        lecompose.compose(sql, pick, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert digest(pick) == before


def test_an_output_that_is_there(pick: Path, tmp_path: Path) -> None:
    sql = "select src_dataset, src_episode, task as out_dataset from episodes"
    lecompose.compose(sql, pick, out=tmp_path / "tasks")
    with pytest.raises(OutputExists):
        lecompose.compose(sql, pick, out=tmp_path / "tasks")
    with pytest.raises(OutputExists, match="this is not one"):
        lecompose.compose(
            "select src_dataset, src_episode from episodes", pick, out=tmp_path / "tasks", overwrite=True
        )
    lecompose.compose(sql, pick, out=tmp_path / "tasks", overwrite=True)
    assert sorted(p.name for p in (tmp_path / "tasks").iterdir()) == ["pick", "wave"]


# The command ----------------------------------------------------------------------------------------


def test_command_with_a_recipe_and_names(pick: Path, place: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.sql"
    recipe.write_text(
        "-- the short ones\nselect * from episodes where src_dataset <> 'pick' or length < 6 order by length"
    )
    done = run("compose", recipe, f"pick={pick}", f"place={place}", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert_composed(tmp_path / "out", [(pick, 2), (place, 1), (pick, 0), (place, 0), (place, 2)])


def test_command_with_the_select_itself(pick: Path, tmp_path: Path) -> None:
    done = run("compose", "from episodes order by length desc limit 1", pick, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert_composed(tmp_path / "out", [(pick, 1)])


def test_command_without_a_recipe(pick: Path, tmp_path: Path) -> None:
    done = run("compose", "recipe.sql", pick, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert 'no such file: "recipe.sql"' in done.stderr


def test_names_must_differ(pick: Path, tmp_path: Path) -> None:
    done = run("compose", "from episodes limit 1", f"a={pick}", f"a={pick}", "-o", tmp_path / "out")
    assert done.exit_code == 2, done.output
