"""Tables of the user's own beside ours, --with: what SQL gets of them, what is told, what is remembered."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import digest

import lecompose
from lecompose.cli import main
from lecompose.errors import QueryError, RequestError

Record = Callable[..., Path]
SUCCESS = "(select success from labels l where l.episode = src_episode)"
LABELS = pa.table({"episode": [0, 1, 2], "success": [True, False, True], "text": ["pour", None, "wipe"]})
LINES = "episode,success,text\n0,true,pour\n1,false,\n2,true,wipe\n"


@pytest.fixture
def day(recorded: Record) -> Path:
    return recorded(frames=(4, 3, 5), cameras=())


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(LINES)
    return path


def command_of(root: Path) -> str:
    found = lecompose.query(root, "select command from lineage where step = 0")
    return str(found["command"][0])


@pytest.mark.parametrize("kind", ["csv", "utf-16", "json", "parquet", "arrow", "stream"])
def test_every_kind_says_the_same(kind: str, day: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    given: object = path
    if kind == "csv":
        path.write_text(LINES.replace(",", ";"))
    elif kind == "utf-16":
        path.write_text(LINES, encoding="utf-16")
    elif kind == "json":
        path.write_text("\n".join(map(json.dumps, LABELS.to_pylist())))
    elif kind == "parquet":
        pq.write_table(LABELS, path)
    elif kind == "arrow":
        given = LABELS
    else:
        given = LABELS.to_reader()
    sql = "select * from labels order by episode"
    assert lecompose.query(day, sql, with_tables={"labels": given}).to_pylist() == LABELS.to_pylist()


def test_filter_and_what_is_remembered(day: Path, labels: Path, tmp_path: Path) -> None:
    report = lecompose.filter(day, out=tmp_path / "sdk", where=SUCCESS, with_tables={"labels": labels})
    assert (report.episodes, report.notes) == (2, ())
    words = [
        "filter",
        str(day),
        "--with",
        f"labels={labels}",
        "--where",
        SUCCESS,
        "-o",
        str(tmp_path / "o/sdk"),
    ]
    (tmp_path / "o").mkdir()
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 0, ran.output
    assert digest(tmp_path / "o/sdk") == digest(tmp_path / "sdk")
    assert f"--with labels={labels}@sha256:" in command_of(tmp_path / "sdk")


def test_a_recorded_command_knows_its_file(day: Path, labels: Path, tmp_path: Path) -> None:
    lecompose.filter(day, out=tmp_path / "out", where=SUCCESS, with_tables=[f"labels={labels}"])
    word = next(w for w in command_of(tmp_path / "out").split() if w.startswith("labels="))
    again = lecompose.filter(day, out=tmp_path / "again", where=SUCCESS, with_tables=[word])
    assert again.episodes == 2
    labels.write_text(LINES.replace("false", "true"))
    with pytest.raises(RequestError, match="not the file that it was"):
        lecompose.filter(day, out=tmp_path / "third", where=SUCCESS, with_tables=[word])
    assert not (tmp_path / "third").exists()


def test_tasks_features_sort_sample_split_and_compose(day: Path, tmp_path: Path) -> None:
    tables = {"labels": LABELS}
    text = "(select text from labels l where l.episode = src_episode)"
    lecompose.edit_tasks(day, out=tmp_path / "tasks", sql=text, with_tables=tables)
    found = lecompose.query(tmp_path / "tasks", "select task from episodes order by src_episode")
    assert found["task"].to_pylist()[::2] == ["pour", "wipe"]
    lecompose.edit_features(day, out=tmp_path / "features", add={"ok:bool": SUCCESS}, with_tables=tables)
    found = lecompose.query(
        tmp_path / "features", "select src_episode, bool_and(ok) ok from frames group by all"
    )
    assert {row["src_episode"]: row["ok"] for row in found.to_pylist()} == {0: True, 1: False, 2: True}
    lecompose.sort(day, out=tmp_path / "sorted", by=f"{SUCCESS}, src_episode desc", with_tables=tables)
    found = lecompose.query(tmp_path / "sorted", "select length from episodes order by src_episode")
    assert found["length"].to_pylist() == [3, 5, 4]
    lecompose.split(day, out=tmp_path / "split", into={"a": 0.5, "b": 0.5}, by=SUCCESS, with_tables=tables)
    lecompose.sample(day, out=tmp_path / "sampled", episodes=2, by=SUCCESS, with_tables=tables)
    sql = "select src_dataset, src_episode from episodes join labels on episode = src_episode where success"
    report = lecompose.compose(sql, day, out=tmp_path / "composed", with_tables=tables)
    assert (report.episodes, report.notes) == (2, ())


def test_rows_and_episodes_that_do_not_meet_are_told(day: Path, tmp_path: Path) -> None:
    some = pa.table({"episode": [0, 9], "success": [True, True]})
    report = lecompose.filter(day, out=tmp_path / "out", where=SUCCESS, with_tables={"labels": some})
    told = "\n".join(report.notes)
    assert 'the table "labels": 1 of 2 rows belong to no episode, as episode 9' in told
    assert 'the table "labels": no row for 2 of 3 episodes, as episode 1' in told
    unused = lecompose.filter(day, out=tmp_path / "all", where="true", with_tables={"labels": some})
    assert unused.notes == ('the table "labels" was given, and no SQL names it',)


def test_rows_that_a_join_repeats_are_told(day: Path) -> None:
    twice = pa.table({"src_episode": [0, 1, 1, 2], "success": [True, True, False, True]})
    with lecompose.open(day, with_tables={"labels": twice}) as datasets:
        assert len(datasets.query("from episodes join labels using (src_episode)")) == 4
        assert datasets.notes == (
            'the table "labels" has by src_episode: 2 rows for 1; a join gives each of them',
        )


@pytest.mark.parametrize(
    ("table", "sql", "told"),
    [
        ({"episode": [1, 1], "success": [True, True]}, SUCCESS, 'has by episode: 2 rows for 1'),
        ({"episode": [7, 8], "success": [True, True]}, SUCCESS, "none of its 2 rows belongs to an episode"),
        ({"number": [0], "success": [True]}, SUCCESS, "columns of labels: number, success"),
        ({"src_episode": [0], "success": [True]},
         "(select max(success) from labels l where l.src_episode = src_episode)", "on both sides of ="),
    ],
)  # fmt: skip
def test_keys_that_are_wrong(
    table: dict[str, list[object]], sql: str, told: str, day: Path, tmp_path: Path
) -> None:
    with pytest.raises(QueryError, match=told):
        lecompose.filter(day, out=tmp_path / "out", where=sql, with_tables={"labels": pa.table(table)})
    assert [path.name for path in tmp_path.iterdir()] == []


def test_several_sources_are_asked_by_name(make_dataset: Record) -> None:
    sources = [make_dataset("a", frames=(3, 3), cameras=()), make_dataset("b", frames=(3, 3), cameras=())]
    rows = pa.table({"dataset": ["a", "b", "b"], "episode": [0, 0, 1], "success": [True, False, True]})
    with lecompose.open(sources, with_tables={"labels": rows}) as datasets:
        datasets.query(f"select {SUCCESS[:-1]} and l.dataset = src_dataset) from episodes")
        assert datasets.notes == ('the table "labels": no row for 1 of 4 episodes, as episode 1 of "a"',)
        datasets.query("from episodes join labels on episode = src_episode")
        assert any("by the number of the episode alone" in note for note in datasets.notes)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("episodes", LINES, "a relation of ours"),
        ("Frames", LINES, "a relation of ours"),
        ("my labels", LINES, "a name of letters"),
        ("labels", None, "cannot be read"),
        ("labels", "", "is empty"),
        ("labels", "PK\x03\x04\0\0", "neither text nor parquet"),
        ("labels", '{"a": 1}\n{"b": ', "cannot be read as a table"),
        ("labels", "PAR1 and then nothing of the kind", "cannot be read as a table"),
    ],
)
def test_what_is_no_table(name: str, content: str | None, told: str, day: Path, tmp_path: Path) -> None:
    path = tmp_path / "given"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RequestError, match=told):
        lecompose.filter(day, out=tmp_path / "out", where="true", with_tables={name: path})
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / ".out.lecompose").exists()


def test_no_other_file_is_read(day: Path, labels: Path) -> None:
    for sql in (f"from '{labels}'", f"from read_csv('{labels}')"):
        with pytest.raises(QueryError):
            lecompose.query(day, sql, with_tables={"labels": labels})


def test_query_on_the_command_line_reads_a_pipe_once(day: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_text(LINES), daemon=True).start()
    words = [
        "query",
        str(day),
        "--with",
        f"labels={pipe}",
        "--format",
        "csv",
        "select count(*) n from labels",
    ]
    ran = CliRunner().invoke(main, words)
    assert (ran.exit_code, ran.stdout) == (0, "n\n3\n"), ran.output


def test_jobs_carry_files_and_refuse_tables_of_python(
    day: Path, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "jobs",
        "plan",
        "filter",
        str(day),
        "--with",
        f"labels={labels.name}",
        "--where",
        SUCCESS,
        "-o",
        "out",
    ]
    assert CliRunner().invoke(main, words).exit_code == 0
    folder = str(tmp_path / ".out.lecompose")
    monkeypatch.chdir("/")
    for step in (["jobs", "run", folder], ["jobs", "finish", folder]):
        ran = CliRunner().invoke(main, step)
        assert ran.exit_code == 0, ran.output
    assert len(lecompose.query(tmp_path / "out", "from episodes")) == 2
    with pytest.raises(RequestError, match="cannot be left to others"):
        lecompose.filter(
            day, out=tmp_path / "b", where=SUCCESS, with_tables={"labels": LABELS}, runner="plan"
        )
