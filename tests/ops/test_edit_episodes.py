"""Per-episode columns: made, changed, removed, and read by what reads episodes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from support.effort import every_nth
from support.independent import assert_composed, every

import lecompose
from lecompose.cli import main
from lecompose.errors import QueryError, RequestError

Record = Callable[..., Path]
TINY: dict[str, Any] = {"cameras": (), "frames": (4, 9, 5), "state_dim": 1, "action_dim": 1}


def columns(root: Path, *names: str) -> list[tuple[Any, ...]]:
    rows = lecompose.query(root, f"select {', '.join(names)} from episodes order by src_episode")
    return [tuple(row.values()) for row in rows.to_pylist()]


@every_nth(2)
@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_made_changed_and_removed(version: str, recorded: Record, tmp_path: Path) -> None:
    root = recorded(**TINY, version=version)
    add = {"long:bool": "length > 4", "score:float32": "length / 2", "note": "'n' || src_episode"}
    lecompose.edit_episodes(root, out=tmp_path / "one", add=add)
    assert_composed(tmp_path / "one", every(root))
    assert columns(tmp_path / "one", "long", "score", "note") == [
        (False, 2.0, "n0"),
        (True, 4.5, "n1"),
        (True, 2.5, "n2"),
    ]
    kinds = lecompose.query(tmp_path / "one", "select long, score from episodes").schema
    assert kinds.field("score").type == pa.float32()
    lecompose.edit_episodes(tmp_path / "one", in_place=True, add={"score:int64": "length"}, remove="note")
    assert columns(tmp_path / "one", "score", "long") == [(4, False), (9, True), (5, True)]
    with pytest.raises(QueryError, match="note"):
        columns(tmp_path / "one", "note")
    lecompose.filter(tmp_path / "one", where="long", out=tmp_path / "two")
    assert columns(tmp_path / "two", "score") == [(9,), (5,)]


def test_the_command_takes_labels(recorded: Record, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("episode,success\n0,true\n2,false\n1,true\n")
    root, out = recorded(**TINY), tmp_path / "out"
    sql = "success:bool=(select l.success from labels l where l.episode = src_episode)"
    words = ["edit", "episodes", root, "-o", out, "--with", f"labels={tmp_path / 'labels.csv'}", "--add", sql]
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == 0, done.output
    assert columns(out, "success") == [(True,), (True,), (False,)]
    lecompose.split(out, out=tmp_path / "parts", into={"a": 0.5, "b": 0.5}, by="success")


def test_a_null_is_refused_unless_it_is_meant(recorded: Record, tmp_path: Path) -> None:
    root, out = recorded(**TINY), tmp_path / "out"
    add = {"score:float64": "case when length > 4 then length end"}
    with pytest.raises(QueryError, match="no value for the episodes 0"):
        lecompose.edit_episodes(root, out=out, add=add)
    assert not out.exists()
    lecompose.edit_episodes(root, out=out, add=add, allow_null=True)
    assert columns(out, "score") == [(None,), (9.0,), (5.0,)]


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({}, RequestError, "no change of columns"),
        ({"add": {"length": "1"}}, RequestError, "LeRobot's own"),
        ({"add": {"stats/x": "1"}}, RequestError, "may not contain"),
        ({"add": {"task": "'x'"}}, RequestError, "those of the relation episodes"),
        ({"remove": "note"}, RequestError, "no such per-episode column"),
        ({"add": {"a": "1", "A": "2"}}, RequestError, "cannot be told"),
        ({"add": {"a:int8": "1000"}}, QueryError, "another type"),
        ({"add": {"a": "nonsense"}}, QueryError, "nonsense"),
    ],
)
def test_what_cannot_be(how: Any, error: type, says: str, recorded: Record, tmp_path: Path) -> None:
    with pytest.raises(error, match=says):
        lecompose.edit_episodes(recorded(**TINY), out=tmp_path / "out", **how)
    assert list(tmp_path.iterdir()) == []
