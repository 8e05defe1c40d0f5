"""Vectors with other dimensions: set, taken, padded, with their names and true statistics."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.independent import Dataset, read

import lecompose
from lecompose.cli import main
from lecompose.errors import FeatureMismatch, QueryError

Record = Callable[..., Path]
SMALL: dict[str, Any] = {"cameras": (), "frames": (7, 1, 4)}
NAMES = [f"joint_{n}" for n in range(6)]


@pytest.fixture(scope="session")
def day(recorded: Record) -> Path:
    return recorded(**SMALL, seed=8)


def values_of(dataset: Dataset, name: str) -> np.ndarray:
    return np.concatenate([np.array(e.rows[name].to_pylist()) for e in dataset.episodes])


def assert_true_statistics(out: Path, name: str) -> None:
    """Statistics are those of the values, over all and of each episode."""
    made, held = read(out), json.loads((out / "meta/stats.json").read_text())[name]
    every = [values_of(made, name), *(np.array(e.rows[name].to_pylist()) for e in made.episodes)]
    said = [held, *({s: e.stats[f"{name}/{s}"] for s in held} for e in made.episodes)]
    for values, stats in zip(every, said, strict=True):
        rows = values.reshape(len(values), -1).astype(np.float64)
        for stat, right in (("min", rows.min(0)), ("max", rows.max(0)), ("mean", rows.mean(0))):
            assert np.allclose(np.array(stats[stat], float), right, atol=1e-6), (name, stat)
        assert np.allclose(np.array(stats["std"], float), rows.std(0), atol=1e-6)


def test_all_of_them_at_once(day: Path, tmp_path: Path) -> None:
    given = read(day)
    names = given.features["observation.state"]["names"]
    report = lecompose.edit_features(
        day,
        out=tmp_path / "out",
        set={"observation.state[6]": '"observation.state"[6] * 100', "observation.state[1]": "action[2]"},
        pad={"observation.state": "6:0.5"},
        take={"observation.state": "6,1:4"},
        rename={"observation.state": "state"},
        cast={"state": "float64"},
        add={"first:float32": '"observation.state"[1]'},
        remove="action",
    )
    made = read(tmp_path / "out")
    was, actions = values_of(given, "observation.state"), values_of(given, "action")
    state = values_of(made, "state")
    hundred = (was[:, 5].astype(np.float32) * np.float32(100)).astype(np.float64)
    assert np.array_equal(state[:, 0], hundred)
    assert np.array_equal(state[:, 1], actions[:, 1])
    assert np.array_equal(state[:, 2:4], was[:, 1:3])
    assert (state[:, 4:] == 0.5).all()
    assert values_of(made, "first").tolist() == was[:, 0].tolist()  # SQL sees what was
    assert made.features["state"]["dtype"] == "float64"
    assert made.features["state"]["names"] == [names[5], *names[:3], "pad_5", "pad_6"]
    assert "action" not in made.features
    assert any("6, 1, 2, 3" in note and names[5] in note for note in report.notes)
    assert_true_statistics(tmp_path / "out", "state")
    assert lecompose.check(tmp_path / "out") == []


@pytest.mark.parametrize(("version", "row_groups"), [("v2.0", "packed"), ("v3.0", "episode")])
def test_what_is_not_named_stays(version: str, row_groups: str, recorded: Record, tmp_path: Path) -> None:
    source = recorded(**SMALL, version=version, seed=8)
    lecompose.edit_features(source, out=tmp_path / "out", pad={"action": 8}, row_groups=row_groups)
    made, given = read(tmp_path / "out"), read(source)
    padded = values_of(made, "action")
    assert np.array_equal(padded[:, :6], values_of(given, "action"))
    assert not padded[:, 6:].any()
    assert made.features["action"]["names"][6:] == ["pad_7", "pad_8"]
    assert list(made.features) == list(given.features)
    assert np.array_equal(values_of(made, "observation.state"), values_of(given, "observation.state"))
    assert_true_statistics(tmp_path / "out", "action")


def test_in_place_and_by_command(make_dataset: Record) -> None:
    root = make_dataset("day", **SMALL)
    before = values_of(read(root), "action")
    ran = CliRunner().invoke(
        main,
        [
            "edit",
            "features",
            str(root),
            "--in-place",
            "--set",
            "action[6]=action[6]*100",
            "--take",
            "action=5:",
        ],
    )
    assert ran.exit_code == 0, ran.output
    after = values_of(read(root), "action")
    assert np.array_equal(after[:, 0], before[:, 4])
    assert np.array_equal(after[:, 1], (before[:, 5].astype("float32") * np.float32(100)).astype(float))
    assert lecompose.check(root) == []


def test_one_dimension_is_a_single_number(day: Path, tmp_path: Path) -> None:
    lecompose.edit_features(day, out=tmp_path / "out", take={"action": [2]}, set={"action[2]": "frame_index"})
    made = read(tmp_path / "out")
    assert made.features["action"]["shape"] == [1]
    assert [e.rows["action"].to_pylist() for e in made.episodes] == [list(range(n)) for n in (7, 1, 4)]


def test_pieces_and_rates_take_their_own_frames(day: Path, tmp_path: Path) -> None:
    lecompose.trim(
        day,
        out=tmp_path / "t",
        where_frames="length = 1 or frame_index > 1",
        set={"action[1]": "frame_index"},
    )
    first, one, last = (np.array(e.rows["action"].to_pylist())[:, 0] for e in read(tmp_path / "t").episodes)
    assert (first.tolist(), one.tolist(), last.tolist()) == ([2, 3, 4, 5, 6], [0], [2, 3])
    lecompose.merge(day, out=tmp_path / "m", fps=15, pad={"action": "7:1"})
    assert (values_of(read(tmp_path / "m"), "action")[:, 6] == 1).all()


def test_sources_of_unlike_sizes_merge(day: Path, recorded: Record, tmp_path: Path) -> None:
    wide = recorded(**SMALL, action_dim=7, seed=9)
    with pytest.raises(FeatureMismatch):
        lecompose.merge([day, wide], out=tmp_path / "no")
    lecompose.merge({"a": day, "b": wide}, out=tmp_path / "out", pad={"action": 7}, set={"b:action[7]": "2"})
    made = read(tmp_path / "out")
    assert made.features["action"]["names"] == read(wide).features["action"]["names"]
    last = [np.array(e.rows["action"].to_pylist())[:, 6] for e in made.episodes]
    assert [set(values.tolist()) for values in last] == [{0.0}] * 3 + [{2.0}] * 3
    assert np.array_equal(values_of(made, "action")[12:, :6], values_of(read(wide), "action")[:, :6])


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("null", "is null"),
        ("'a'", "is string"),
        ("1e99", "does not fit float32"),
        ("frame_inex", "frame_index"),
    ],
)
def test_values_that_cannot_be_are_named(sql: str, said: str, day: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError) as error:
        lecompose.edit_features(day, out=tmp_path / "out", set={"action[3]": sql})
    assert said in str(error.value)
    assert not (tmp_path / "out").exists()
