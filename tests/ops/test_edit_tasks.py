"""Edited tasks: the texts that were told and nothing else, in frames, episode lists and tasks.parquet."""

import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import digest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import typed
from support.edited import Tell, retold
from support.effort import examples, few
from support.independent import assert_composed, every, read

import lecompose
from lecompose.cli import main
from lecompose.composition.resume import Move, move_into_place
from lecompose.errors import QueryError, RequestError, UnknownEpisode

Record = Callable[..., Path]
VERSIONS = ("v2.0", "v2.1", "v3.0")
# Frame after frame takes one in turn: episodes of many tasks.
TEXTS = ("pick", "place", 'say "go"', "größe 📏")
LENGTHS = (4, 1, 7)


def assert_retold(out: Path, source: Path, tell: Tell) -> None:
    assert lecompose.check(out) == []
    robot = read(source).info["robot_type"]
    assert_composed(out, every(source), edited=retold(tell), robot_type=robot)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return typed.write(tmp_path / "mixed", {}, version="v3.0", lengths=LENGTHS, tasks=TEXTS)


@pytest.mark.parametrize(
    ("row_groups", "version"), few(product(("episode", "packed"), VERSIONS), kept=lambda n: n in (0, 2, 4))
)
def test_one_task_for_all(version: str, row_groups: str, recorded: Record, tmp_path: Path) -> None:
    source = recorded(version=version, tasks=("pick", "place"), cameras=("front",), codec="h264")
    report = lecompose.edit_tasks(source, out=tmp_path / "out", task="wave", row_groups=row_groups)
    made = assert_composed(
        tmp_path / "out", every(source), edited=retold(lambda *_: "wave"), row_groups=row_groups
    )
    assert made.tasks == ("wave",)
    assert report.notes[-1].split("\n") == [
        "3 of 3 episodes get another task:",
        '  - "pick" becomes "wave" in 2 episodes',
        '  - "place" becomes "wave" in 1 episode',
    ]
    assert report.frames_decoded == 0


@pytest.mark.parametrize("version", few(VERSIONS, kept=lambda n: n > 0))
def test_some_episodes_before_all(version: str, tmp_path: Path) -> None:
    source = typed.write(tmp_path / "a", {}, version=version, lengths=LENGTHS, tasks=TEXTS)
    told = {0: "first", 2: "last"}
    lecompose.edit_tasks(source, out=tmp_path / "out", episodes=told, replace={"place": "pick", "pick": "no"})
    swapped = {"place": "pick", "pick": "no"}
    assert_retold(tmp_path / "out", source, lambda n, text: told.get(n) or swapped.get(text, text))


def test_replaced_texts_are_swapped_not_chained(mixed: Path, tmp_path: Path) -> None:
    swap = {"pick": "place", "place": "pick"}
    lecompose.edit_tasks(mixed, out=tmp_path / "out", replace=swap)
    assert_retold(tmp_path / "out", mixed, lambda _, text: swap.get(text, text))


def test_of_many_texts_some_are_told(recorded: Record, tmp_path: Path) -> None:
    source = recorded(frames=(1,) * 14, cameras=(), tasks=tuple(f"task {n:02d}" for n in range(14)))
    arguments = [
        "edit",
        "tasks",
        str(source),
        "-o",
        str(tmp_path / "out"),
        "--sql",
        "upper(task)",
        "--dry-run",
    ]
    told = CliRunner().invoke(main, arguments).stderr.splitlines()
    assert told[0] == "note: 14 of 14 episodes get another task:"
    assert told[1:11] == [f'  - "task {n:02d}" becomes "TASK {n:02d}" in 1 episode' for n in range(10)]
    assert told[11:] == ["  … and 4 more"]
    arguments[5:] = ["--replace", "task 01=task 01", "--dry-run"]
    assert CliRunner().invoke(main, arguments).stderr == "note: 0 of 14 episodes get another task\n"


def test_an_expression_is_asked_for_each_task_of_each_episode(mixed: Path, tmp_path: Path) -> None:
    lecompose.edit_tasks(mixed, out=tmp_path / "out", sql="case when length > 1 then task || src_episode end")
    assert_retold(tmp_path / "out", mixed, lambda n, t: t if n == 1 else f"{t}{n}")


def test_a_task_that_only_the_list_names_is_told_too(mixed: Path, tmp_path: Path) -> None:
    path = mixed / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    lists = [["look"], *table["tasks"].to_pylist()[1:]]
    at = table.schema.get_field_index("tasks")
    pq.write_table(table.set_column(at, "tasks", pa.array(lists, pa.list_(pa.string()))), path)
    lecompose.edit_tasks(mixed, out=tmp_path / "out", replace={"look": "see"})
    assert "see" in read(tmp_path / "out").episodes[0].listed
    assert "look" not in read(tmp_path / "out").tasks


def test_two_numbers_of_one_text_become_one_task(tmp_path: Path) -> None:
    source = typed.write(tmp_path / "a", {}, lengths=LENGTHS, tasks=("a", "b", "a", "c"))
    lecompose.edit_tasks(source, out=tmp_path / "out", episodes={2: "a"}, replace={"b": "a"})
    assert_retold(tmp_path / "out", source, lambda n, t: "a" if n == 2 or t == "b" else t)


@settings(max_examples=examples(2, whole=15))
@given(
    tasks=st.lists(st.sampled_from(["a", "b", "A", "a ", "ü", "x\ny"]), min_size=1, max_size=4, unique=True),
    told=st.dictionaries(st.integers(0, 2), st.sampled_from(["a", "new", "A"]), max_size=2),
    swaps=st.dictionaries(st.integers(0, 3), st.sampled_from(["a", "b", "z"]), min_size=1, max_size=3),
)
def test_any_edit(
    tasks: Sequence[str],
    told: dict[int, str],
    swaps: dict[int, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("edit")
    source = typed.write(folder / "a", {}, lengths=LENGTHS, tasks=tasks)
    pairs = {tasks[n % len(tasks)]: text for n, text in swaps.items()}
    lecompose.edit_tasks(source, out=folder / "out", episodes=told, replace=pairs)
    assert_retold(folder / "out", source, lambda n, t: told.get(n) or pairs.get(t, t))


# In place -----------------------------------------------------------------------------------------


def test_in_place_keeps_what_is_no_part_of_the_dataset(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("day", version="v3.0")
    before = read(root)
    (root / "README.md").write_text("mine")
    (root / "images").mkdir()
    (root / "notes/deep").mkdir(parents=True)
    (root / "notes/deep/a.txt").write_text("a")
    (root / "notes/link").symlink_to("deep/a.txt")
    (root / "meta/calibration.json").write_text("{}")
    inode = (root / "README.md").stat().st_ino
    lecompose.edit_tasks(root, in_place=True, task="wave")
    assert (root / "README.md").read_text() == "mine"
    assert (root / "README.md").stat().st_ino == inode, "the file itself, not a copy of it"
    assert (root / "notes/deep/a.txt").read_text() == "a"
    assert (root / "notes/link").is_symlink()
    assert (root / "images").is_dir()
    assert (root / "meta/calibration.json").read_text() == "{}"
    made = read(root)
    assert made.tasks == ("wave",)
    assert [len(e) for e in made.episodes] == [len(e) for e in before.episodes]
    assert [finding.code for finding in lecompose.check(root)] == ["other_files"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["day"]


def test_in_place_follows_a_link(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("day", version="v3.0")
    link = tmp_path / "link"
    link.symlink_to(root)
    lecompose.edit_tasks(link, in_place=True, task="wave")
    assert link.is_symlink()
    assert read(root).tasks == ("wave",)


def test_in_place_again_and_again_remembers_each_step(make_dataset: Record) -> None:
    root = make_dataset("day", version="v3.0")
    lecompose.edit_tasks(root, in_place=True, task="wave")
    lecompose.edit_tasks(root, in_place=True, episodes={"1:": "nod"})
    rows = lecompose.query(root, "select step, command from lineage where src_episode = 1 order by step")
    assert [c.split(" ", 3)[2:] for c in rows["command"].to_pylist()] == [
        ["tasks", f"{root} --in-place --episode 1:=nod"],
        ["tasks", f"{root} --in-place --task wave"],
    ]


@pytest.mark.parametrize(
    "request_",
    [{"sql": "nonsense"}, {"replace": {"nothing": "x"}}, {"episodes": {9: "x"}}, {"sql": "' '"}],
    ids=str,
)
def test_a_refused_edit_in_place_leaves_all_as_it_was(
    request_: dict[str, object], make_dataset: Record, tmp_path: Path
) -> None:
    root = make_dataset("day", version="v3.0")
    before = digest(root)
    with pytest.raises(RequestError):
        lecompose.edit_tasks(root, in_place=True, **request_)  # type: ignore[arg-type]
    assert digest(root) == before
    assert [p.name for p in tmp_path.iterdir()] == ["day"]


def test_an_edit_in_place_that_fails_at_the_last_moment_leaves_all_as_it_was(
    make_dataset: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_dataset("day", version="v3.0")
    before = digest(root)

    def failing(move: Move) -> None:
        move_into_place(move)
        raise OSError(5, "broken disk")

    monkeypatch.setattr("lecompose.composition.stages.publish.move_into_place", failing)
    with pytest.raises(lecompose.OutputUnwritable, match="broken disk"):
        lecompose.edit_tasks(root, in_place=True, task="wave")
    assert digest(root) == before
    assert [p.name for p in tmp_path.iterdir()] == ["day"]


def test_in_place_nothing_is_skipped(make_dataset: Record) -> None:
    root = make_dataset("day", version="v3.0")
    before = digest(root)
    with pytest.raises(RequestError, match=r"remove for good what --skip-broken leaves out\. Try: -o FOLDER"):
        lecompose.edit_tasks(root, in_place=True, task="x", skip_broken=True)
    assert digest(root) == before


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_in_place_never_changes_the_format(version: str, make_dataset: Record) -> None:
    root = make_dataset("day", version=version)
    with pytest.raises(RequestError, match=rf"v3\.0, this dataset is {version}.*Try: .*-o FOLDER"):
        lecompose.edit_tasks(root, in_place=True, task="wave")


# Requests that cannot be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({}, RequestError, "no task was given"),
        ({"task": "a", "sql": "task"}, RequestError, "only one of --task, --replace and --sql"),
        ({"task": " "}, RequestError, "a task needs a text"),
        ({"replace": {"pikc": "x"}}, RequestError, 'did you mean "pick"'),
        ({"replace": ["pick"]}, RequestError, '"pick": not left=right'),
        ({"episodes": {7: "x"}}, UnknownEpisode, "there is no:\n  - episode 7"),
        ({"episodes": {"0:2": "x", "1": "y"}}, RequestError, 'episode 1: "x" and "y"'),
        ({"sql": "length >"}, QueryError, "syntax error"),
        ({"sql": "nothing"}, QueryError, "columns of an episode: src_dataset"),
        ({"sql": "length"}, QueryError, "a text is needed, or null; this gives int64. Try: (…)::varchar"),
        ({"sql": "tasks"}, QueryError, "a text is needed"),
        ({"sql": "'  '"}, QueryError, "a text without any letter"),
    ],
)
def test_what_cannot_be(
    asked: dict[str, object], error: type[Exception], told: str, mixed: Path, tmp_path: Path
) -> None:
    with pytest.raises(error) as refused:
        lecompose.edit_tasks(mixed, out=tmp_path / "out", **asked)  # type: ignore[arg-type]
    assert told in str(refused.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mixed"]


@pytest.mark.parametrize("where", [{}, {"out": "x", "in_place": True}])
def test_it_is_said_where_to(where: dict[str, object], mixed: Path) -> None:
    with pytest.raises(RequestError, match="where to"):
        lecompose.edit_tasks(mixed, task="x", **where)  # type: ignore[arg-type]


def test_the_command_line(mixed: Path, tmp_path: Path) -> None:
    arguments = ["edit", "tasks", str(mixed), "-o", str(tmp_path / "out"), "--json"]
    arguments += ["--episode", "0,2:=wave = now", "--replace", "pick=grasp"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["episodes"] == 3
    assert_retold(
        tmp_path / "out", mixed, lambda n, t: "wave = now" if n in (0, 2) else {"pick": "grasp"}.get(t, t)
    )
