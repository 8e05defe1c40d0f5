"""Tasks and subtasks: whatever form a writer left them in, they are read right and written dense."""

import json
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import typed
from support.effort import few
from support.independent import read
from support.typed import Kind

import lecompose

# In the order in which a frame after frame takes them in turn.
TEXTS = ("pick", "", "  two spaces ", "größe 📏", 'say "go"', "two\nlines", "it's; drop table", "PICK", "\t")
LENGTHS = (4, 3, 12)


def tasks_of(root: Path) -> list[str]:
    """The tasks in their order, after their numbers were found to be their places."""
    table = pq.read_table(root / "meta/tasks.parquet")
    assert table["task_index"].to_pylist() == list(range(table.num_rows))
    assert json.loads(table.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    return list(table["task"].to_pylist())


def frame_tasks(root: Path) -> list[str]:
    return [task for episode in read(root).episodes for task in episode.tasks]


def in_turn(texts: tuple[str, ...], frames: int = sum(LENGTHS)) -> list[str]:
    return [texts[n % len(texts)] for n in range(frames)]


@pytest.fixture
def v3(tmp_path: Path) -> Path:
    return typed.write(tmp_path / "v3", {}, lengths=LENGTHS, tasks=TEXTS)


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    return typed.write(tmp_path / "v2", {}, version="v2.1", lengths=LENGTHS, tasks=TEXTS)


def renumber(root: Path, numbers: Callable[[int], int]) -> None:
    """Give each frame another task_index."""
    for path in root.glob("data/*/*.parquet"):
        table = pq.read_table(path)
        place = table.schema.get_field_index("task_index")
        column = pa.array([numbers(n) for n in table["task_index"].to_pylist()], pa.int64())
        pq.write_table(table.set_column(place, "task_index", column), path)


@pytest.mark.parametrize(
    ("row_groups", "version"),
    few(product(("episode", "packed"), ("v2.0", "v2.1", "v3.0")), kept=lambda n: n in (1, 3, 5)),
)
def test_texts_of_all_sorts_in_episodes_of_many_tasks(version: str, row_groups: str, tmp_path: Path) -> None:
    source = typed.write(tmp_path / "a", {}, version=version, lengths=LENGTHS, tasks=TEXTS)
    lecompose.merge([source, source], out=tmp_path / "out", row_groups=row_groups)
    assert lecompose.check(tmp_path / "out") == []
    assert tasks_of(tmp_path / "out") == list(TEXTS)
    assert frame_tasks(tmp_path / "out") == in_turn(TEXTS) * 2
    listed = [set(episode.listed) for episode in read(tmp_path / "out").episodes]
    assert listed == [set(episode.tasks) for episode in read(tmp_path / "out").episodes]


@pytest.mark.parametrize(
    ("column", "text_first"),
    few(product(("task", "__index_level_0__", "description"), (True, False)), kept=lambda n: n in (0, 3, 4)),
)
def test_the_column_of_the_texts(column: str, text_first: bool, v3: Path, tmp_path: Path) -> None:
    typed.write_tasks(v3, list(enumerate(TEXTS)), column=column)
    path = v3 / "meta/tasks.parquet"
    if text_first:
        pq.write_table(pq.read_table(path).select([column, "task_index"]), path)
    lecompose.merge(v3, out=tmp_path / "out")
    assert tasks_of(tmp_path / "out") == list(TEXTS)
    assert frame_tasks(tmp_path / "out") == in_turn(TEXTS)


def test_texts_in_a_column_beside_a_plain_index(v3: Path, tmp_path: Path) -> None:
    path = v3 / "meta/tasks.parquet"
    table = pq.read_table(path).replace_schema_metadata(None)
    index = pa.array(range(table.num_rows), pa.int64())
    pq.write_table(table.append_column("__index_level_0__", index), path)
    lecompose.merge(v3, out=tmp_path / "out")
    assert tasks_of(tmp_path / "out") == list(TEXTS)


def test_gaps_disorder_and_repeats(v3: Path, tmp_path: Path) -> None:
    """Numbers 10 apart, the list back to front, with tasks that are never done; two numbers for one text."""
    listed = [(10 * n, text) for n, text in enumerate(TEXTS)] + [(5, "never"), (95, "pick"), (-3, "nor this")]
    typed.write_tasks(v3, listed[::-1])
    renumber(v3, lambda n: 95 if n == 0 else 10 * n)
    lecompose.merge([v3, v3], out=tmp_path / "out")
    assert set(tasks_of(tmp_path / "out")) == set(TEXTS)
    assert len(tasks_of(tmp_path / "out")) == len(TEXTS)
    assert frame_tasks(tmp_path / "out") == in_turn(TEXTS) * 2
    assert lecompose.check(tmp_path / "out") == []


def test_numbers_below_zero(v3: Path, tmp_path: Path) -> None:
    typed.write_tasks(v3, [(n - 1, text) for n, text in enumerate(TEXTS)])
    renumber(v3, lambda n: n - 1)
    lecompose.merge([v3, v3], out=tmp_path / "out")
    assert tasks_of(tmp_path / "out") == list(TEXTS)
    assert frame_tasks(tmp_path / "out") == in_turn(TEXTS) * 2


def test_parts_have_the_tasks_of_their_frames(v3: Path, tmp_path: Path) -> None:
    lecompose.split(v3, out=tmp_path / "parts", into={"a": [1], "b": [0, 2]})
    assert tasks_of(tmp_path / "parts/a") == list(TEXTS[4:7])
    assert frame_tasks(tmp_path / "parts/a") == list(TEXTS[4:7])
    lecompose.delete(v3, out=tmp_path / "kept", episodes=[2])
    assert tasks_of(tmp_path / "kept") == list(TEXTS[:7])
    assert frame_tasks(tmp_path / "kept") == list(TEXTS[:7])


JSON_FORMS: dict[str, Any] = {
    "list": list(TEXTS),
    "rows": [{"task_index": n, "task": text} for n, text in reversed(list(enumerate(TEXTS)))],
    "by number": {str(n): text for n, text in reversed(list(enumerate(TEXTS)))},
    "by text": {text: n for n, text in enumerate(TEXTS)},
    "objects by number": {str(n): {"task": text} for n, text in enumerate(TEXTS)},
    "named": {"tasks": list(TEXTS)},
}


def test_a_plain_json_file(v2: Path, tmp_path: Path) -> None:
    (v2 / "meta/tasks.jsonl").unlink()
    roots = [shutil.copytree(v2, tmp_path / f"d{n}") for n in range(len(JSON_FORMS))]
    for root, form in zip(roots, JSON_FORMS.values(), strict=True):
        (root / "meta/tasks.json").write_text(json.dumps(form), encoding="utf-8")
    lecompose.merge(roots, out=tmp_path / "out")
    assert tasks_of(tmp_path / "out") == list(TEXTS)
    assert frame_tasks(tmp_path / "out") == in_turn(TEXTS) * len(roots)


@pytest.mark.parametrize("content", ["{", "3", '["a", 4]', '{"a": "b"}', '[{"task": "a"}]', '{"0": null}'])
def test_json_that_is_no_list_of_tasks(content: str, v2: Path, tmp_path: Path) -> None:
    (v2 / "meta/tasks.jsonl").unlink()
    (v2 / "meta/tasks.json").write_text(content, encoding="utf-8")
    with pytest.raises(lecompose.SourceBroken, match=r"^tasks.json cannot be read as a list of tasks"):
        lecompose.merge(v2, out=tmp_path / "out")


def test_lines_win_over_a_file_beside_them(v2: Path, tmp_path: Path) -> None:
    (v2 / "meta/tasks.json").write_text('["other"]', encoding="utf-8")
    lecompose.merge(v2, out=tmp_path / "out")
    assert tasks_of(tmp_path / "out") == list(TEXTS)


def test_a_task_without_one_text_is_told(v3: Path, tmp_path: Path) -> None:
    typed.write_tasks(v3, [(n, text) for n, text in enumerate(TEXTS) if n != 3] + [(3, None), (1, "second")])
    with pytest.raises(lecompose.SourceBroken) as told:
        lecompose.merge(v3, out=tmp_path / "out")
    assert "task_index 3 has no text in the task list" in str(told.value)
    assert "task_index 1 has 2 texts in the task list" in str(told.value)
    assert not (tmp_path / "out").exists()


# Subtasks ---------------------------------------------------------------------------------------

REACH = ("reach", "grasp", "lift")


def with_subtasks(
    root: Path, numbers: list[int | None], texts: dict[int, str] | None, *, column: str = "subtask"
) -> Path:
    """Two episodes of three frames with these subtask numbers, and the texts in meta/subtasks.parquet."""
    held = iter(numbers)
    kind = Kind("int64", (1,), lambda _, n: pa.array([next(held) for _ in range(n)], pa.int64()))
    typed.write(root, {"subtask_index": kind}, lengths=[3, 3])
    if texts is not None:
        table = pa.table({"subtask_index": list(texts), column: list(texts.values())})
        pq.write_table(table, root / "meta/subtasks.parquet")
    return root


def subtasks_of(root: Path) -> list[str | None]:
    """The subtask of each frame, by the position of its text, as LeRobot 0.5.1 found it."""
    table = pq.read_table(root / "meta/subtasks.parquet")
    assert table.column_names == ["subtask_index", "subtask"]
    assert table["subtask_index"].to_pylist() == list(range(table.num_rows))
    assert json.loads(table.schema.metadata[b"pandas"])["index_columns"] == ["subtask"]
    return [None if n is None else n if n < 0 else table["subtask"][n].as_py() for n in numbers_of(root)]


def numbers_of(root: Path) -> list[int]:
    return [n for e in read(root).episodes for n in e.rows["subtask_index"].to_pylist()]


@pytest.mark.parametrize(
    ("row_groups", "column"),
    few(product(("episode", "packed"), ("subtask", "__index_level_0__")), kept=lambda n: n in (1, 2)),
)
def test_subtasks_are_merged_by_text(column: str, row_groups: str, tmp_path: Path) -> None:
    a = with_subtasks(tmp_path / "a", [0, 0, 1, 2, 1, 0], dict(enumerate(REACH)), column=column)
    b = with_subtasks(tmp_path / "b", [7, 4, -1, 4, None, 2], {7: "lift", 2: "drop", 4: "reach"})
    lecompose.merge([a, b], out=tmp_path / "out", row_groups=row_groups)
    assert lecompose.check(tmp_path / "out") == []
    merged = ["reach", "reach", "grasp", "lift", "grasp", "reach", "lift", "reach", -1, "reach", None, "drop"]
    assert subtasks_of(tmp_path / "out") == merged
    texts = pq.read_table(tmp_path / "out/meta/subtasks.parquet")["subtask"].to_pylist()
    assert texts == ["reach", "grasp", "lift", "drop"]
    lecompose.split(tmp_path / "out", out=tmp_path / "parts", into={"x": [3], "y": [1, 2]})
    assert subtasks_of(tmp_path / "parts/x") == merged[9:]
    assert subtasks_of(tmp_path / "parts/y") == merged[3:9]
    assert pq.read_table(tmp_path / "parts/y/meta/subtasks.parquet")["subtask"].to_pylist() == [
        "reach",
        "grasp",
        "lift",
    ]
    stats = json.loads((tmp_path / "parts/y/meta/stats.json").read_text())["subtask_index"]
    assert (stats["min"], stats["max"]) == ([-1], [2])
    (rows,) = (tmp_path / "parts/y/meta/episodes").glob("*/*.parquet")
    assert pq.read_table(rows)["stats/subtask_index/max"].to_pylist() == [[2.0], [2.0]]


def test_subtasks_without_texts_are_a_feature_like_any_other(tmp_path: Path) -> None:
    a = with_subtasks(tmp_path / "a", [5, 5, 1, 2, -4, 0], None)
    b = with_subtasks(tmp_path / "b", [9, 9, 8, 8, None, 3], None)
    lecompose.merge([a, b], out=tmp_path / "out")
    assert numbers_of(tmp_path / "out") == [5, 5, 1, 2, -4, 0, 9, 9, 8, 8, None, 3]
    assert not (tmp_path / "out/meta/subtasks.parquet").exists()


def test_texts_without_a_feature_are_carried(tmp_path: Path) -> None:
    a = typed.write(tmp_path / "a", {})
    pq.write_table(pa.table({"subtask_index": [0], "subtask": ["x"]}), a / "meta/subtasks.parquet")
    lecompose.merge(a, out=tmp_path / "out")
    texts = [(root / "meta/subtasks.parquet").read_bytes() for root in (a, tmp_path / "out")]
    assert texts[0] == texts[1]


def test_numbers_of_two_meanings_are_refused(tmp_path: Path) -> None:
    a = with_subtasks(tmp_path / "a", [0] * 6, {0: "reach"})
    b = with_subtasks(tmp_path / "b", [0] * 6, None)
    with pytest.raises(lecompose.FeatureMismatch, match=r'source "b" has no meta/subtasks.parquet'):
        lecompose.merge([a, b], out=tmp_path / "out")


def test_a_subtask_without_a_text_is_told(tmp_path: Path) -> None:
    a = with_subtasks(tmp_path / "a", [0, 1, 2, 0, 0, 0], {0: "reach", 2: "lift"})
    with pytest.raises(lecompose.SourceBroken, match=r'source "a": subtask_index 1$'):
        lecompose.merge(a, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
