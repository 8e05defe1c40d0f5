"""Edited features: removed, renamed, cast and computed, and no other value touched."""

import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.edited import Column, changed
from support.effort import every_nth, few
from support.independent import assert_composed, every, read

import lecompose
from lecompose.cli import main
from lecompose.errors import ComposeError, FeatureMismatch, QueryError, RequestError

Record = Callable[..., Path]
VERSIONS = ("v2.0", "v2.1", "v3.0")
SMALL: dict[str, Any] = {"cameras": ("front", "wrist"), "codec": "h264", "frames": (7, 1, 4)}
REWARD = "case when frame_index = length - 1 then 1 else 0 end"


def values_of(table: pa.Table, name: str) -> np.ndarray:
    return np.array(table[name].to_pylist())


def last_is_one(dtype: str) -> Column:
    return lambda _, rows: (np.arange(len(rows)) == len(rows) - 1).astype(dtype)


@pytest.mark.parametrize(
    ("row_groups", "version"), few(product(("episode", "packed"), VERSIONS), kept=lambda n: n in (1, 3, 5))
)
def test_removed_renamed_and_added(version: str, row_groups: str, recorded: Record, tmp_path: Path) -> None:
    source = recorded(version=version, **SMALL)
    lecompose.edit_features(
        source,
        out=tmp_path / "out",
        remove="observation.images.wrist",
        rename={"observation.state": "state", "observation.images.front": "observation.images.top"},
        add={
            "next.reward:float32": REWARD,
            "next.done": "frame_index = length - 1",
            "twice:float32[6]": "list_transform(action, lambda x: 2 * x)",
            "label": "task || ' ' || frame_index",
            "grid:float64[2,3]": "[[1, 2, 3], [frame_index, src_episode, 0.5]]",
        },
        row_groups=row_groups,
    )
    tasks = [episode.tasks for episode in read(source).episodes]
    expected = changed(
        remove=("observation.images.wrist",),
        rename={"observation.state": "state", "observation.images.front": "observation.images.top"},
        add={
            "next.reward": ("float32", (1,), last_is_one("float32")),
            "next.done": ("bool", (1,), last_is_one("bool")),
            "twice": ("float32", (6,), lambda _, rows: list(2 * values_of(rows, "action").astype("float32"))),
            "label": (
                "string", (1,), lambda n, rows: [f"{task} {k}" for k, task in enumerate(tasks[n])]
            ),
            "grid": (
                "float64", (2, 3), lambda n, rows: [[[1.0, 2, 3], [k, n, 0.5]] for k in range(len(rows))]
            ),
        },
    )  # fmt: skip
    assert lecompose.check(tmp_path / "out") == []
    assert_composed(tmp_path / "out", every(source), edited=expected, row_groups=row_groups)


def test_the_dtype_is_the_one_asked_for_or_that_of_the_sql(recorded: Record, tmp_path: Path) -> None:
    dtypes = {
        ("a", "frame_index"): "int64",
        ("b", "1.5"): "float32",
        ("c", "action[1]"): "float32",
        ("d", "action[1]::double"): "float64",
        ("e", "true"): "bool",
        ("f", "'a'"): "string",
        ("g:int8", "frame_index"): "int8",
        ("h:float16", "frame_index / 2"): "float16",
        ("i:uint64", "18446744073709551615::ubigint"): "uint64",
        ("j:float32", "frame_index > 1"): "float32",
        ("k:int32", "3.0"): "int32",
    }
    lecompose.edit_features(recorded(**SMALL), out=tmp_path / "out", add=dict(list(dtypes)))
    made = read(tmp_path / "out")
    for (spec, sql), dtype in dtypes.items():
        feature = made.features[spec.partition(":")[0]]
        assert (feature["dtype"], feature["shape"]) == (dtype, [1]), sql
    assert lecompose.check(tmp_path / "out") == []


def test_a_window_sees_the_frames_around(recorded: Record, tmp_path: Path) -> None:
    source = recorded(**SMALL)
    within = "over (partition by src_episode order by frame_index)"
    lecompose.edit_features(
        source, out=tmp_path / "out", add={"step": f"action[2] - lag(action[2], 1, action[2]) {within}"}
    )

    def steps(_: int, rows: pa.Table) -> np.ndarray:
        actions = values_of(rows, "action").astype("float32")[:, 1]
        return np.diff(actions, prepend=actions[:1])

    assert_composed(tmp_path / "out", every(source), edited=changed(add={"step": ("float32", (1,), steps)}))


def test_removed_and_added_is_computed_anew_from_what_it_was(recorded: Record, tmp_path: Path) -> None:
    source = recorded(**SMALL)
    lecompose.edit_features(
        source,
        out=tmp_path / "out",
        remove=["action"],
        add={"action": "action[1:2]", "flag": "action[1] > 0"},
    )
    made, given = read(tmp_path / "out"), read(source)
    for ours, theirs in zip(made.episodes, given.episodes, strict=True):
        assert ours.rows["action"].to_pylist() == [row[:2] for row in theirs.rows["action"].to_pylist()]
    assert made.features["action"]["shape"] == [2]
    assert len(made.stats["action"]["mean"]) == 2


def test_every_operation_takes_the_changes(recorded: Record, tmp_path: Path) -> None:
    """Episodes in another order, one of them twice, of two sources that differ; rows are scattered."""
    a, b = recorded(**SMALL, version="v2.1"), recorded(**SMALL, seed=5, action_dim=4)
    lecompose.compose(
        "select src_dataset, src_episode from (values ('b', 2, 0), ('a', 1, 1), ('b', 0, 2), ('a', 1, 3))"
        " t(src_dataset, src_episode, n) order by n",
        {"a": a, "b": b},
        out=tmp_path / "out",
        remove=["action"],
        add={"sum:float64": "list_sum(action)", "where": "src_dataset || src_episode || '/' || frame_index"},
    )
    made = read(tmp_path / "out")
    told = [row for episode in made.episodes for row in episode.rows["where"].to_pylist()]
    lengths = SMALL["frames"]
    picked = [("b", 2), ("a", 1), ("b", 0), ("a", 1)]
    assert told == [f"{name}{n}/{k}" for name, n in picked for k in range(lengths[n])]
    given = {"a": read(a), "b": read(b)}
    for ours, (name, n) in zip(made.episodes, picked, strict=True):
        sums = [sum(map(float, row)) for row in given[name].episodes[n].rows["action"].to_pylist()]
        np.testing.assert_allclose(ours.rows["sum"].to_pylist(), sums, rtol=1e-6)
    assert lecompose.check(tmp_path / "out") == []


def test_many_scattered_episodes(recorded: Record, tmp_path: Path) -> None:
    """More reads than are streamed: rows are gathered by row groups, and the values go with them."""
    source = recorded(frames=tuple(1 + n % 5 for n in range(40)), cameras=(), frames_per_data_file=30)
    lecompose.sample(source, out=tmp_path / "out", seed=3, add={"mine": "src_episode * 1000 + frame_index"})
    rows = lecompose.query(tmp_path / "out", "select src_episode, from_episode from lineage order by all")
    came_from = rows["from_episode"].to_pylist()
    for number, episode in enumerate(read(tmp_path / "out").episodes):
        wanted = [came_from[number] * 1000 + k for k in range(len(episode))]
        assert episode.rows["mine"].to_pylist() == wanted


def test_the_columns_of_an_episode_stand_beside_those_of_its_frames(
    make_dataset: Record, tmp_path: Path
) -> None:
    source = make_dataset(**SMALL)
    path = source / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("success", pa.array([True, False, True])), path)
    add = {"ok": "success", "share": "(frame_index + 1) / length", "peak": "stats.action.max[1]"}
    lecompose.edit_features(source, out=tmp_path / "out", add=add)
    made, given = read(tmp_path / "out"), read(source)
    assert [e.rows["ok"][0].as_py() for e in made.episodes] == [True, False, True]
    assert [e.rows["share"].to_pylist()[-1] for e in made.episodes] == [1.0, 1.0, 1.0]
    peaks = [e.stats["action/max"][0] for e in given.episodes]
    assert [e.rows["peak"][0].as_py() for e in made.episodes] == peaks


def test_a_feature_that_the_data_files_lack_can_be_removed(make_dataset: Record, tmp_path: Path) -> None:
    source = make_dataset(**SMALL)
    path = source / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"] = {"ghost": {"dtype": "float32", "shape": [2], "names": None}, **info["features"]}
    path.write_text(json.dumps(info))
    with pytest.raises(ComposeError, match=r'feature "ghost" is in info\.json, not in the data files'):
        lecompose.merge(source, out=tmp_path / "out")
    lecompose.edit_features(source, out=tmp_path / "out", remove=["ghost"])
    assert lecompose.check(tmp_path / "out") == []


def test_in_place(make_dataset: Record) -> None:
    root = make_dataset("day", **SMALL)
    before = read(root)
    lecompose.edit_features(root, in_place=True, remove=["observation.images.wrist"], add={"r": REWARD})
    made = read(root)
    assert "observation.images.wrist" not in made.features
    assert not (root / "videos/observation.images.wrist").exists()
    assert [e.rows["r"].to_pylist()[-1] for e in made.episodes] == [1, 1, 1]
    assert [len(e) for e in made.episodes] == [len(e) for e in before.episodes]


# Requests that cannot be ------------------------------------------------------------------------


@every_nth(2)
@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({}, RequestError, "no change of features was given"),
        ({"remove": ["acton"]}, RequestError, 'no feature "acton" in "day" (did you mean "action"?)'),
        ({"remove": ["timestamp"]}, RequestError, '"timestamp" is one of the five features'),
        ({"add": {"action": "1"}}, RequestError, 'there is a feature "action". Try: --remove "action"'),
        ({"add": {"Action": "1"}}, RequestError, 'there is a feature "action"'),
        ({"add": {"a/b": "1"}}, RequestError, 'a feature name may not contain "/"'),
        ({"add": {"x:image": "1"}}, RequestError, "SQL cannot give pictures"),
        ({"add": {"x:float31": "1"}}, RequestError, 'dtype "float31" is not one that LeRobot knows'),
        ({"add": {"x": "1 +"}}, QueryError, "syntax error"),
        ({"add": {"x": "nothing"}}, QueryError, "columns of a frame and its episode: src_dataset"),
        ({"add": {"x": "[first(a) over (order by frame_index) for a in action]"}}, QueryError,
         "DuckDB cannot run this, by a fault of its own: Unrecognized expression type"),
        ({"add": {"x": "list_transform(action, x -> x * 2)"}}, QueryError, "Try: [x * 2 for x in action]"),
        ({"add": {"x": "(select 1 from frames_of_episode)"}}, QueryError, "does not exist"),
        ({"add": {"x": "max(action[1])"}}, QueryError, "over (partition by src_episode)"),
        ({"add": {"x": "1 from frames; drop table frames"}}, QueryError, "relations:"),
        ({"add": {"x": "(select content from read_text('/etc/hostname'))"}}, QueryError, "read_text"),
        ({"add": {"x": "current_timestamp"}}, RequestError, "no feature holds timestamp"),
        ({"add": {"x": "nullif(frame_index, 3)"}}, QueryError, "episode 0, frame 3 is null"),
        ({"add": {"x:int8": "frame_index * 40"}}, QueryError, "frame 4 is 160, which does not fit int8"),
        ({"add": {"x:int64": "frame_index / 2"}}, QueryError, "frame 1 is 0.5, which does not fit int64"),
        ({"add": {"x:bool": "frame_index"}}, QueryError, "bool was asked for"),
        ({"add": {"x:float32": "'1'"}}, QueryError, "is string, and float32 was asked for"),
        ({"add": {"x:string": "1"}}, QueryError, "string was asked for"),
        ({"add": {"x:float32[6]": "action[1:5]"}}, QueryError, "is not of shape [6]"),
        ({"add": {"x:float32[2,2]": "action"}}, QueryError, "not of shape [2, 2]"),
        ({"add": {"x": "case when frame_index > 2 then action else [1, 2] end"}}, QueryError, "frame 3"),
        ({"add": {"x": "action[1:0]"}}, QueryError, "its first value is empty"),
        ({"remove": ["observation.images.front"], "rename": {"observation.images.front": "a"}}, RequestError,
         'no feature "observation.images.front"'),
    ],
)  # fmt: skip
def test_what_cannot_be(
    asked: dict[str, Any], error: type[Exception], told: str, make_dataset: Record, tmp_path: Path
) -> None:
    root = make_dataset("day", **SMALL)
    with pytest.raises(error) as refused:
        lecompose.edit_features(root, out=tmp_path / "out", **asked)
    assert told in str(refused.value)
    assert re.search(r"frames_of_episodes|Stack|\bSET\b", str(refused.value)) is None
    assert [p.name for p in tmp_path.iterdir()] == ["day"]


def test_features_of_one_source_are_removed_where_the_other_has_none(
    recorded: Record, tmp_path: Path
) -> None:
    a, b = recorded(**SMALL), recorded(**(SMALL | {"cameras": ("front",)}), seed=2)
    with pytest.raises(FeatureMismatch):
        lecompose.merge({"a": a, "b": b}, out=tmp_path / "out")
    lecompose.merge({"a": a, "b": b}, out=tmp_path / "out", remove="a:observation.images.wrist")
    edit = changed(remove=("observation.images.wrist",))
    assert_composed(tmp_path / "out", every(a, b), edited=edit)


def test_the_command_line(recorded: Record, tmp_path: Path) -> None:
    source = recorded(**SMALL)
    arguments = ["edit", "features", str(source), "-o", str(tmp_path / "out"), "--quiet"]
    arguments += ["--remove", "observation.images.wrist", "--add", f"next.reward:float32={REWARD}"]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.output) == (0, "")
    edit = changed(
        remove=("observation.images.wrist",),
        add={"next.reward": ("float32", (1,), last_is_one("float32"))},
    )
    assert_composed(tmp_path / "out", every(source), edited=edit)
    told = lecompose.query(tmp_path / "out", "select distinct command from lineage")["command"].to_pylist()
    assert told == [
        f"lecompose edit features {source} -o out --remove observation.images.wrist"
        f" --add 'next.reward:float32={REWARD}'"
    ]


# Values from arrays -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", few(VERSIONS, kept=lambda n: n == 1))
def test_values_are_given_as_arrays(version: str, recorded: Record, tmp_path: Path) -> None:
    source = recorded(version=version, **SMALL)
    frames = sum(SMALL["frames"])
    reward = np.arange(frames, dtype=np.float32) / 8
    pair = np.arange(2 * frames, dtype=np.int64).reshape(frames, 2)
    values = {
        "next.reward": (reward[:, None], {"dtype": "float32", "shape": (1,), "names": None}),
        "pair": (pair, {"dtype": "int64", "shape": [2], "names": ["left", "right"]}),
        "who": np.array([f"n{n}" for n in range(frames)]),
    }
    lecompose.edit_features(source, out=tmp_path / "out", values=values, remove=["observation.images.wrist"])
    starts = np.cumsum([0, *SMALL["frames"]])

    def part(array: np.ndarray) -> Column:
        return lambda number, rows: list(array[starts[number] : starts[number] + len(rows)])

    added = {
        "next.reward": ("float32", (1,), part(reward)),
        "pair": ("int64", (2,), part(pair)),
        "who": ("string", (1,), part(np.asarray(values["who"]))),
    }
    expected = changed(remove=("observation.images.wrist",), add=added)
    made = assert_composed(tmp_path / "out", every(source), edited=expected)
    assert made.features["pair"]["names"] == ["left", "right"]
    assert lecompose.check(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros(11), r"12 frames, and the values have shape \[11\]"),
        (np.float32(3), r"have shape \[\]"),
        ((np.zeros((12, 3)), {"dtype": "float32", "shape": [2]}), r"frame 0 is not of shape \[2\]"),
        ((np.full(12, 0.5), {"dtype": "int64", "shape": [1]}), "frame 0 is 0.5, which does not fit int64"),
        ((np.zeros(12), {"dtype": "image", "shape": [4, 4, 3]}), "cannot be made from an array"),
        (np.zeros(12, np.complex64), 'dtype "complex64"'),
    ],
)
def test_values_that_do_not_fit_are_refused(values: Any, says: str, recorded: Record, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=says):
        lecompose.edit_features(recorded(**SMALL), out=tmp_path / "out", values={"x": values})
    assert not (tmp_path / "out").exists()


def test_a_vector_computed_again_keeps_its_names(recorded: Record, tmp_path: Path) -> None:
    root = recorded(cameras=(), frames=(4, 3))
    names = json.loads((root / "meta/info.json").read_text())["features"]["action"]["names"]
    doubled, cut = {"action": "[x * 2 for x in action]"}, {"action": "action[1:2]"}
    lecompose.edit_features(root, out=tmp_path / "same", add=doubled, remove=["action"])
    lecompose.edit_features(root, out=tmp_path / "cut", add=cut, remove=["action"])
    told = [
        json.loads((tmp_path / out / "meta/info.json").read_text())["features"]["action"]
        for out in ("same", "cut")
    ]
    assert [(tuple(feature["shape"]), feature["names"]) for feature in told] == [((6,), names), ((2,), None)]
