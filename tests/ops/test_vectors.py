"""Vectors in SQL: + - * / on them, norm, speed, acceleration, idle, and lag inside an episode."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.independent import numbers, read

import lecompose
from lecompose.errors import QueryError

Record = Callable[..., Path]


@pytest.fixture
def day(recorded: Record) -> Path:
    return recorded(frames=(4, 3, 5), cameras=())


@pytest.fixture
def actions(day: Path) -> list[np.ndarray]:
    return [numbers(episode.rows["action"]).astype(np.float64) for episode in read(day).episodes]


def of_frames(day: Path, expression: str) -> list[object]:
    sql = f"select {expression} as value from frames order by src_episode, frame_index"
    return lecompose.query(day, sql)["value"].to_pylist()


def test_operators_on_vectors(day: Path, actions: list[np.ndarray]) -> None:
    rows = np.concatenate(actions)
    for sql, expected in {
        "action - action * 2": -rows,
        "(action + action) / 2": rows,
        "1 - action": 1 - rows,
        "action * action": rows * rows,
        "action - [1, 2, 3, 4, 5, 6]": rows - np.arange(1, 7),
        "vmul_number(action, length(task) - length(task) + 2)": rows * 2,
    }.items():
        np.testing.assert_allclose(np.array(of_frames(day, sql)), expected, atol=1e-6, err_msg=sql)


def test_functions_of_frames_stay_inside_an_episode(day: Path, actions: list[np.ndarray]) -> None:
    steps = [np.linalg.norm(np.diff(episode, axis=0), axis=1) for episode in actions]
    bends = [np.linalg.norm(np.diff(episode, 2, axis=0), axis=1) for episode in actions]
    fps = float(lecompose.query(day, "select fps from datasets")["fps"][0].as_py())
    found = {name: of_frames(day, f"{name}(action)") for name in ("speed", "acceleration")}
    starts = np.cumsum([0, *map(len, actions)])
    for n, at in enumerate(starts[:-1]):
        own = slice(at, starts[n + 1])
        assert found["speed"][own][0] is None
        np.testing.assert_allclose(found["speed"][own][1:], steps[n] * fps, rtol=1e-4)
        assert found["acceleration"][own][:2] == [None, None]
        np.testing.assert_allclose(found["acceleration"][own][2:], bends[n] * fps**2, rtol=1e-3)
    changes = np.concatenate([np.concatenate([[0], step]) for step in steps])
    np.testing.assert_allclose(of_frames(day, "norm(action - lag(action))"), changes, rtol=1e-4)
    eps = float(np.median(changes))
    held = np.concatenate([np.concatenate([step[:1], step]) <= eps for step in steps])
    assert of_frames(day, f"idle(action, {eps!r})") == held.tolist()


def test_where_frames_aggregates_windows(day: Path, actions: list[np.ndarray], tmp_path: Path) -> None:
    peaks = [np.linalg.norm(np.diff(episode, axis=0), axis=1).max() for episode in actions]
    limit = float(np.median(peaks)) * (1 + 1e-6)
    for n, sql in enumerate(
        [f"max(norm(action - lag(action))) <= {limit!r}", f"max(speed(action)) <= {limit!r} * 30"]
    ):
        assert lecompose.filter(day, out=tmp_path / f"{n}", where_frames=sql).episodes == 2


def test_delta_actions_are_a_feature(day: Path, actions: list[np.ndarray], tmp_path: Path) -> None:
    lecompose.edit_features(day, out=tmp_path / "out", add=["delta:float32[6]=action - lag(action)"])
    for episode, action in zip(read(tmp_path / "out").episodes, actions, strict=True):
        expected = np.diff(action, axis=0, prepend=action[:1])
        np.testing.assert_allclose(numbers(episode.rows["delta"]), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select action - task from frames", "Try: \\+ - \\* / on two vectors"),
        ("select action - [1, 2] from frames", "vectors of 6 and 2 elements do not go together"),
        ("select norm(action[1]) from frames", r"Try: a vector; .* \[x\]"),
        ("select max(speed(action)) from frames", "Try: select max"),
        ("select lag(length) from episodes", r"Try: lag\(x\) over"),
    ],
)
def test_mistakes_are_told(sql: str, told: str, day: Path) -> None:
    with pytest.raises(QueryError, match=told) as raised:
        lecompose.query(day, sql)
    assert str(raised.value).count("->") <= 6


def test_names_of_columns_are_those_of_the_text(day: Path) -> None:
    found = lecompose.query(day, "select action - action, action * 2 as twice from frames limit 1")
    assert found.column_names == ["action - action", "twice"]


def test_a_vector_that_is_computed_anew_keeps_its_names(day: Path, tmp_path: Path) -> None:
    def names_of(root: Path) -> object:
        return json.loads((root / "meta/info.json").read_text())["features"]["action"]["names"]

    new = {"action:float32[6]": "action * 2"}
    lecompose.edit_features(day, out=tmp_path / "out", remove="action", add=new)
    assert names_of(tmp_path / "out") == names_of(day) is not None
    lecompose.edit_features(
        day, out=tmp_path / "padded", remove="action", add={"action:float32[7]": "action || [0]"}
    )
    assert names_of(tmp_path / "padded") is None
