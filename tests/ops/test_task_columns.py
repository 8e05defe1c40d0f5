"""Columns beside task_index that hold task numbers: their texts stay, whatever is done."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import typed
from support.independent import table
from support.typed import Kind

import lecompose
from lecompose.errors import FeatureMismatch, RequestError, SourceBroken

VALIDITY, COARSE = "annotation.human.validity", "annotation.human.coarse_action"
LENGTHS = (3, 4, 2)
Texts = dict[str, list[str | None]]


def annotated(
    root: Path,
    tasks: Sequence[str],
    *,
    frames: Sequence[int],
    columns: Mapping[str, Sequence[float | None]],
    dtype: str = "int64",
    version: str = "v2.1",
) -> Path:
    """A dataset whose frames do the tasks `frames` in turn, with columns that name tasks in turn."""

    def kind(numbers: Sequence[float | None]) -> Kind:
        def cells(_rng: Any, count: int) -> pa.Array:
            return pa.array([numbers[n % len(numbers)] for n in range(count)], pa.type_for_alias(dtype))

        return Kind(dtype, (1,), cells)

    kinds = {name: kind(numbers) for name, numbers in columns.items()}
    typed.write(root, kinds, version=version, lengths=LENGTHS, tasks=tasks)
    for path in root.glob("data/*/*.parquet"):
        rows = pq.read_table(path)
        numbers = pa.array([frames[n % len(frames)] for n in range(len(rows))], pa.int64())
        place = rows.schema.get_field_index("task_index")
        with pq.ParquetWriter(path, rows.schema) as writer:
            rows = rows.set_column(place, "task_index", numbers)
            for episode in dict.fromkeys(rows["episode_index"].to_pylist()):
                writer.write_table(rows.filter(pa.compute.equal(rows["episode_index"], episode)))
    return root


def texts(root: Path, *columns: str) -> Texts:
    """The text that each row of each column stands for, in the order of the rows."""
    if (root / "meta/tasks.parquet").is_file():
        listed = pq.read_table(root / "meta/tasks.parquet")
        known = dict(zip(listed["task_index"].to_pylist(), listed["task"].to_pylist(), strict=True))
    else:
        rows = map(json.loads, (root / "meta/tasks.jsonl").read_text().splitlines())
        known = {row["task_index"]: row["task"] for row in rows}
    held: Texts = {name: [] for name in ("task_index", *columns)}
    for path in sorted(root.glob("data/*/*.parquet")):
        rows = table(path)
        for name, found in held.items():
            found += [known.get(n, n) for n in rows[name].to_pylist()]
    return held


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Its list is used from behind; "valid" is the task of no frame."""
    return annotated(
        tmp_path / "left",
        ("never", "place", "valid", "pick"),
        frames=(3,),
        columns={VALIDITY: (2,), COARSE: (3, 1)},
    )


@pytest.fixture
def right(tmp_path: Path) -> Path:
    return annotated(
        tmp_path / "right",
        ("valid", "wave", "pick"),
        frames=(2, 1),
        columns={VALIDITY: (0, None), COARSE: (2, 1)},
    )


@pytest.mark.parametrize("settings", [{}, {"row_groups": "packed"}, {"rewrite_data": True}])
def test_merge(left: Path, right: Path, settings: Any, tmp_path: Path) -> None:
    report = lecompose.merge([left, right], out=tmp_path / "out", **settings)
    notes = [note for note in report.notes if "episode_tasks" not in note]
    assert len(notes) == 2
    assert all("read as task numbers, by its name, and numbered anew" in note for note in notes)
    found = texts(tmp_path / "out", VALIDITY, COARSE)
    expected = [texts(root, VALIDITY, COARSE) for root in (left, right)]
    assert found == {name: [*expected[0][name], *expected[1][name]] for name in found}


def test_row_groups_are_copied_all_the_same(left: Path, tmp_path: Path) -> None:
    report = lecompose.merge(left, out=tmp_path / "out")
    assert report.bytes_spliced > 0
    assert texts(tmp_path / "out", VALIDITY, COARSE) == texts(left, VALIDITY, COARSE)


@pytest.mark.parametrize("version", ["v2.0", "v3.0"])
def test_delete_split_and_repair(version: str, tmp_path: Path) -> None:
    source = annotated(
        tmp_path / "a",
        ("never", "place", "valid"),
        frames=(1,),
        columns={VALIDITY: (2, 1)},
        version=version,
    )
    whole = texts(source, VALIDITY)
    lecompose.delete(source, out=tmp_path / "kept", episodes=[0])
    assert texts(tmp_path / "kept", VALIDITY) == {name: rows[3:] for name, rows in whole.items()}
    lecompose.split(source, out=tmp_path / "parts", into={"one": [2], "two": [0, 1]})
    assert texts(tmp_path / "parts/one", VALIDITY) == {name: rows[7:] for name, rows in whole.items()}
    lecompose.repair(source, out=tmp_path / "saved")
    assert texts(tmp_path / "saved", VALIDITY) == whole


def test_statistics_are_of_the_new_numbers(left: Path, tmp_path: Path) -> None:
    lecompose.merge(left, out=tmp_path / "out")
    stats = json.loads((tmp_path / "out/meta/stats.json").read_text())
    rows = table(tmp_path / "out/data/chunk-000/file-000.parquet")[VALIDITY].to_numpy()
    assert stats[VALIDITY]["max"] == [rows.max()] != [2]
    episodes = pq.read_table(tmp_path / "out/meta/episodes/chunk-000/file-000.parquet")
    assert episodes[f"stats/{VALIDITY}/mean"].to_pylist() == [[rows[0]]] * 3


def test_episode_lists_stay_as_they_are(left: Path, tmp_path: Path) -> None:
    """What only a column names is in an episode's list where the source has it there."""
    path = left / "meta/episodes.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row, listed in zip(rows, (["pick", "valid"], ["pick"], ["pick"]), strict=True):
        row["tasks"] = listed
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    lecompose.merge(left, out=tmp_path / "out")
    episodes = pq.read_table(tmp_path / "out/meta/episodes/chunk-000/file-000.parquet")
    assert [sorted(listed) for listed in episodes["tasks"].to_pylist()] == [
        ["pick", "valid"],
        ["pick"],
        ["pick"],
    ]


# Which columns -----------------------------------------------------------------------------------


def modality(root: Path, said: object) -> None:
    (root / "meta/modality.json").write_text(json.dumps({"annotation": said}))


def test_modality_names_a_column_of_any_name(tmp_path: Path) -> None:
    roots = [
        annotated(tmp_path / name, tasks, frames=(0,), columns={"goal": (1,)})
        for name, tasks in (("a", ("pick", "near")), ("b", ("wave", "far")))
    ]
    for root in roots:
        modality(root, {"human.goal": {"original_key": "goal"}, "human.task": {"original_key": "task_index"}})
    lecompose.merge(roots, out=tmp_path / "out")
    assert texts(tmp_path / "out", "goal")["goal"] == ["near"] * 9 + ["far"] * 9


def test_the_option_names_a_column_and_denies_one(tmp_path: Path) -> None:
    roots = [
        annotated(tmp_path / name, tasks, frames=(0,), columns={"goal": (1,), "annotation.score": (1,)})
        for name, tasks in (("a", ("pick", "near")), ("b", ("wave", "far")))
    ]
    lecompose.merge(roots, out=tmp_path / "out", task_column=["goal", "annotation.score=no"])
    found = texts(tmp_path / "out", "goal")
    assert found["goal"] == ["near"] * 9 + ["far"] * 9
    rows = table(tmp_path / "out/data/chunk-000/file-000.parquet")
    assert set(rows["annotation.score"].to_pylist()) == {1}
    with pytest.raises(RequestError, match='"goals" \\(did you mean "goal"'):
        lecompose.merge(roots, out=tmp_path / "other", task_column="goals")
    with pytest.raises(RequestError, match='"timestamp" is float32'):
        lecompose.merge(roots, out=tmp_path / "other", task_column="timestamp")


def test_renamed_columns_are_found(left: Path, tmp_path: Path) -> None:
    lecompose.merge(left, out=tmp_path / "out", rename={VALIDITY: "ok"})
    assert set(texts(tmp_path / "out", "ok")["ok"]) == {"valid"}


SUCCESS = "annotation.success"


def read_column(root: Path, name: str) -> list[Any]:
    return [
        value for path in sorted(root.glob("data/*/*.parquet")) for value in table(path)[name].to_pylist()
    ]


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_a_flag_is_kept_and_told(dtype: str, tmp_path: Path) -> None:
    """Nothing tells 0 and 1 from the tasks of the frames, which change places here."""
    root = annotated(
        tmp_path / "a", ("pick", "place"), frames=(1, 0), columns={SUCCESS: (0, 0, 1)}, dtype=dtype
    )
    report = lecompose.delete(root, out=tmp_path / "kept", episodes=[0])
    assert read_column(tmp_path / "kept", SUCCESS) == [0, 0, 1, 0, 0, 0]
    (note,) = report.notes
    assert f"--task-column {SUCCESS} " in note
    report = lecompose.delete(root, out=tmp_path / "no", episodes=[0], task_column=f"{SUCCESS}=no")
    assert report.notes == ()
    lecompose.delete(root, out=tmp_path / "yes", episodes=[0], task_column=SUCCESS)
    assert texts(tmp_path / "yes", SUCCESS)[SUCCESS] == texts(root, SUCCESS)[SUCCESS][3:]


def test_a_text_that_no_frame_has_tells_task_numbers(tmp_path: Path) -> None:
    roots = [
        annotated(tmp_path / name, ("pick", name), frames=(0,), columns={"annotation.ok": (1,)})
        for name in ("a", "b")
    ]
    report = lecompose.merge(roots, out=tmp_path / "out")
    assert texts(tmp_path / "out", "annotation.ok")["annotation.ok"] == ["a"] * 9 + ["b"] * 9
    beginning = 'source "b": feature "annotation.ok" is read as task numbers, by its name'
    assert any(note.startswith(beginning) for note in report.notes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_whole_floats_are_numbers_and_nan_stays(dtype: str, tmp_path: Path) -> None:
    """pandas makes floats of integers with nulls."""
    roots = [
        annotated(tmp_path / n, (n, f"{n} ok"), frames=(0,), columns={VALIDITY: (1, nan)}, dtype=dtype)
        for n, nan in (("a", float("nan")), ("b", None))
    ]
    lecompose.merge(roots, out=tmp_path / "out")
    values = read_column(tmp_path / "out", VALIDITY)
    found = texts(tmp_path / "out", VALIDITY)[VALIDITY]
    assert found[9:] == ["b ok", None, "b ok", "b ok", None, "b ok", None, "b ok", None]
    assert found[0] == "a ok"
    assert np.isnan(values[1])
    assert lecompose.check(tmp_path / "out") == []


def test_fractions_are_no_task_numbers(tmp_path: Path) -> None:
    columns = {"annotation.human.score": (0.5, 1.0)}
    root = annotated(tmp_path / "a", ("x", "y"), frames=(1,), columns=columns, dtype="float64")
    assert lecompose.merge(root, out=tmp_path / "out").notes == ()
    assert read_column(tmp_path / "out", "annotation.human.score")[:2] == [0.5, 1.0]
    with pytest.raises(RequestError, match="has others"):
        lecompose.merge(root, out=tmp_path / "other", task_column="annotation.human.score")


def test_a_name_that_tells_nothing_more_is_told(left: Path, tmp_path: Path) -> None:
    report = lecompose.merge(left, out=tmp_path / "out", rename={VALIDITY: "valid"})
    assert any("later operations need --task-column valid" in note for note in report.notes)


def test_modality_of_one_source_counts_for_all(tmp_path: Path) -> None:
    roots = [
        annotated(tmp_path / name, tasks, frames=(0,), columns={"goal": (1,)})
        for name, tasks in (("a", ("pick", "near")), ("b", ("wave", "far")))
    ]
    modality(roots[0], {"human.goal": {"original_key": "goal"}})
    report = lecompose.merge(roots, out=tmp_path / "out")
    assert texts(tmp_path / "out", "goal")["goal"] == ["near"] * 9 + ["far"] * 9
    assert any("later operations need --task-column goal" in note for note in report.notes)


def test_numbers_that_are_no_tasks_are_told_and_kept(tmp_path: Path) -> None:
    root = annotated(tmp_path / "a", ("never", "pick"), frames=(1,), columns={"annotation.score": (1, 0, 7)})
    report = lecompose.merge(root, out=tmp_path / "out")
    (note,) = report.notes
    assert '"annotation.score"' in note
    assert '7 in source "a"' in note
    rows = table(tmp_path / "out/data/chunk-000/file-000.parquet")
    assert rows["annotation.score"].to_pylist()[:3] == [1, 0, 7]
    (finding,) = lecompose.check(tmp_path / "out")
    assert (finding.code, finding.severity, finding.feature) == (
        "task_columns",
        "warning",
        "annotation.score",
    )


def test_declared_numbers_without_a_text_are_refused(tmp_path: Path) -> None:
    root = annotated(tmp_path / "a", ("never", "pick"), frames=(1,), columns={VALIDITY: (1, 7)})
    modality(root, {"human.validity": {}})
    with pytest.raises(SourceBroken, match=f"{VALIDITY}.*7 in source") as caught:
        lecompose.merge(root, out=tmp_path / "out")
    assert f"--task-column {VALIDITY}=no" in str(caught.value)
    lecompose.merge(root, out=tmp_path / "out", task_column=f"{VALIDITY}=no")


def test_too_small_a_type_is_refused(tmp_path: Path) -> None:
    """The episodes list 200 tasks, and that of the column last."""
    tasks = [f"task {n}" for n in range(200)]
    root = annotated(tmp_path / "a", tasks, frames=(0,), columns={VALIDITY: (1,)}, dtype="int8")
    path = root / "meta/episodes.jsonl"
    rows = [json.loads(line) | {"tasks": tasks[::-1]} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(FeatureMismatch, match="int8 cannot hold 199"):
        lecompose.merge(root, out=tmp_path / "out")
    lecompose.merge(root, out=tmp_path / "out", cast={VALIDITY: "int64"})
    assert texts(tmp_path / "out", VALIDITY)[VALIDITY] == ["task 1"] * 9


def test_a_source_without_the_column(left: Path, tmp_path: Path) -> None:
    bare = typed.write(tmp_path / "bare", {}, version="v2.1", tasks=("wave", "nod"))
    for fill, value in (("null", None), ("zero", "pick")):
        out = tmp_path / fill
        report = lecompose.merge([left, bare], out=out, features="union", fill=fill)
        assert texts(out, VALIDITY)[VALIDITY] == ["valid"] * 9 + [value] * 9
        assert any("name task 0" in note for note in report.notes) == (fill == "zero")


# Other texts -------------------------------------------------------------------------------------


def test_a_task_for_all_is_the_task_of_frames(left: Path, tmp_path: Path) -> None:
    """What the frames' task was called elsewhere is called so there, too; other texts stay."""
    lecompose.edit_tasks(left, out=tmp_path / "out", task="grasp")
    found = texts(tmp_path / "out", VALIDITY, COARSE)
    assert set(found["task_index"]) == {"grasp"}
    assert set(found[VALIDITY]) == {"valid"}
    assert set(found[COARSE]) == {"grasp", "place"}
    lecompose.edit_tasks(left, out=tmp_path / "some", episodes={1: "wave"})
    assert texts(tmp_path / "some", VALIDITY)[VALIDITY] == ["valid"] * 9


def test_a_text_is_replaced_wherever_it_stands(left: Path, tmp_path: Path) -> None:
    lecompose.edit_tasks(left, out=tmp_path / "out", replace={"valid": "good", "pick": "grasp"})
    found = texts(tmp_path / "out", VALIDITY, COARSE)
    assert set(found[VALIDITY]) == {"good"}
    assert set(found[COARSE]) == {"grasp", "place"}
    lecompose.edit_tasks(left, out=tmp_path / "upper", sql="upper(task)")
    assert set(texts(tmp_path / "upper", COARSE)[COARSE]) == {"PICK", "PLACE"}


def test_numbers_below_zero_stay(tmp_path: Path) -> None:
    root = annotated(tmp_path / "a", ("never", "pick"), frames=(1,), columns={VALIDITY: (-1, 1)})
    lecompose.merge([root, root], out=tmp_path / "out")
    rows = table(tmp_path / "out/data/chunk-000/file-000.parquet")[VALIDITY].to_numpy()
    assert np.array_equal(np.unique(rows), [-1, 0])
    assert lecompose.check(tmp_path / "out") == []
