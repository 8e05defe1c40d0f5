"""What LeRobot does not know of goes along: per-episode columns, keys of info.json, where episodes came from.

Sources are edited, and results read, with pyarrow and json alone.
"""

import datetime
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from support.effort import few, thorough

import lecompose
from lecompose.errors import FeatureMismatch, SourceBroken

Record = Callable[..., Path]

NASTY = ('by "whom"', "score.mean", "größe 📏", "it's; drop table x --", "src_episode", "stats", "$path")


@pytest.fixture
def v30(make_dataset: Record) -> Path:
    """Three episodes in format v3.0, to be written into."""
    return make_dataset(name="v30", version="v3.0")


@pytest.fixture
def v21(make_dataset: Record) -> Path:
    """Three episodes in format v2.1, to be written into."""
    return make_dataset(name="v21", version="v2.1", seed=1)


def add_columns(root: Path, columns: Mapping[str, pa.Array]) -> None:
    """Put columns, a value an episode, into the meta/episodes of a v3.0 dataset."""
    done = 0
    for path in sorted((root / "meta/episodes").rglob("*.parquet")):
        table = pq.read_table(path, partitioning=None)
        for name, values in columns.items():
            table = table.append_column(name, values.slice(done, table.num_rows))
        done += table.num_rows
        pq.write_table(table, path)


def add_keys(root: Path, rows: list[dict[str, Any]]) -> None:
    """Put keys into the lines of a v2.x dataset's episodes.jsonl, a dict a line."""
    path = root / "meta/episodes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    both = [{**line, **row} for line, row in zip(lines, rows, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in both))


def change_info(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def info_of(root: Path) -> dict[str, Any]:
    info: dict[str, Any] = json.loads((root / "meta/info.json").read_text())
    return info


def episodes_of(root: Path) -> pa.Table:
    files = sorted((root / "meta/episodes").rglob("*.parquet"))
    return pa.concat_tables([pq.read_table(path, partitioning=None) for path in files])


def lineage_of(root: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(root / "meta/lineage.parquet").to_pylist()
    return rows


# Per-episode columns ----------------------------------------------------------------------------


def test_columns_of_many_types_keep_them(v30: Path, dataset_v30: Path, tmp_path: Path) -> None:
    noon = datetime.datetime(2024, 5, 17, 12, 0, 0, 123456)
    columns = {
        "count": pa.array([1, None, 3], pa.int16()),
        "big": pa.array([2**63, 0, None], pa.uint64()),
        "share": pa.array([0.25, None, float("inf")], pa.float32()),
        "success": pa.array([True, False, None]),
        "operator": pa.array(["Ada", "", None]),
        "taken": pa.array([noon, None, noon], pa.timestamp("us")),
        "taken_utc": pa.array([noon, None, noon], pa.timestamp("us", "UTC")),
        "day": pa.array([noon.date(), None, None]),
        "marks": pa.array([[1.5, None], [], None]),
        "steps": pa.array([[{"at": 3, "what": "grasp"}], None, [{"at": None, "what": "lift"}]]),
        "rig": pa.array([{"name": "a", "arms": [1, 2]}, None, {"name": None, "arms": []}]),
        "raw": pa.array([b"\x00\xff", b"", None]),
        "empty": pa.array([None, None, None], pa.string()),
    }
    add_columns(v30, columns)
    assert lecompose.check(v30) == []
    lecompose.merge([v30, v30], out=tmp_path / "out")
    assert lecompose.check(tmp_path / "out") == []
    made = episodes_of(tmp_path / "out")
    for name, values in columns.items():
        assert made[name].to_pylist() == values.to_pylist() * 2, name
        assert made.schema.field(name).type.equals(values.type) or pa.types.is_nested(values.type), name
    assert made.schema.field("marks").type.value_type == pa.float64()
    assert made.schema.field("steps").type.value_type["at"].type == pa.int64()
    assert made.column_names[-2:] == ["meta/episodes/chunk_index", "meta/episodes/file_index"]
    assert made.column_names[-2 - len(columns) : -2] == list(columns), "behind the statistics, in order"
    assert made.column_names[-3 - len(columns)].startswith("stats/")
    lecompose.merge([dataset_v30, dataset_v30], out=tmp_path / "plain")
    assert made.drop_columns(list(columns)).equals(episodes_of(tmp_path / "plain")), "all else as ever"


def test_columns_of_both_formats_are_one(v30: Path, v21: Path, tmp_path: Path) -> None:
    """What only one source has is null for the other; whole numbers become floats where others are."""
    add_columns(
        v30,
        {
            "score": pa.array([0.5, None, 2.0]),
            "tags": pa.array([["a"], None, []], pa.list_(pa.string())),
            "rig": pa.array([{"arms": 2}, None, {"arms": 1}]),
            "operator": pa.array([None, None, None], pa.int32()),
            "of v3.0": pa.array(["x", None, "z"]),
        },
    )
    add_keys(
        v21,
        [
            {"score": 4, "tags": [], "rig": {"arms": 1, "name": "left"}, "operator": "Ada", "of v2.1": True},
            {"tags": []},
            {"score": None, "rig": None, "operator": "Bob"},
        ],
    )
    assert lecompose.check(v21) == []
    lecompose.merge([v30, v21], out=tmp_path / "out")

    made = episodes_of(tmp_path / "out")
    assert made["score"].to_pylist() == [0.5, None, 2.0, 4.0, None, None]
    assert made.schema.field("score").type == pa.float64()
    assert made["tags"].to_pylist() == [["a"], None, [], [], [], None]
    assert made["rig"].to_pylist() == [
        {"arms": 2, "name": None},
        None,
        {"arms": 1, "name": None},
        {"arms": 1, "name": "left"},
        None,
        None,
    ]
    assert made["operator"].to_pylist() == [None, None, None, "Ada", None, "Bob"], "nulls alone have no type"
    assert made["of v3.0"].to_pylist() == ["x", None, "z", None, None, None]
    assert made["of v2.1"].to_pylist() == [None, None, None, True, None, None]


@pytest.mark.parametrize("version", few(("v3.0", "v2.1", "v2.0"), kept=lambda n: n == 0))
def test_names_that_sql_could_trip_over(version: str, make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(version=version)
    values = {name: [f"{name} {n}" for n in range(3)] for name in NASTY}
    if version == "v3.0":
        add_columns(root, {name: pa.array(column) for name, column in values.items()})
    else:
        add_keys(root, [{name: column[n] for name, column in values.items()} for n in range(3)])
    lecompose.merge([root], out=tmp_path / "once")
    lecompose.merge([tmp_path / "once", root], out=tmp_path / "twice")
    made = episodes_of(tmp_path / "twice").to_pydict()
    assert {name: made[name] for name in NASTY} == {name: column * 2 for name, column in values.items()}


def test_json_strings_stay_strings(v21: Path, tmp_path: Path) -> None:
    texts = ["2024-01-01", "2024-01-01T10:00:00Z", "5d0a6a0e-8d2c-4b0e-9d4e-0123456789ab"]
    add_keys(v21, [{"when": text, "code": f"00{n}", "nan": float("nan")} for n, text in enumerate(texts)])
    lecompose.merge([v21], out=tmp_path / "out")
    made = episodes_of(tmp_path / "out")
    assert made["when"].to_pylist() == texts
    assert made["code"].to_pylist() == ["000", "001", "002"]
    assert pc.all(pc.is_nan(made["nan"])).as_py()


def test_json_values_of_several_types_are_kept_as_json(v21: Path, tmp_path: Path) -> None:
    values = {
        "grade": [1, "good", None],
        "id": [2**70, 1, 2],
        "extra": [{}, {}, None],
        "ok": [True, 0, 1],
        "case": [{"a": 1, "A": 2}, {"a": 1, "A": 3}, None],
    }
    add_keys(v21, [{name: column[n] for name, column in values.items()} for n in range(3)])
    report = lecompose.merge([v21], out=tmp_path / "out")
    made = episodes_of(tmp_path / "out")
    for name, column in values.items():
        texts = made[name].to_pylist()
        assert [None if text is None else json.loads(text) for text in texts] == column
        assert [note for note in report.notes if f'"{name}"' in note and "JSON" in note]


def test_an_episode_list_in_many_files(make_dataset: Record, tmp_path: Path) -> None:
    """A column that later files lack is null there; long values count towards a file's size."""
    root = make_dataset(version="v3.0", frames=[3] * 6, cameras=(), episodes_per_meta_file=2)
    files = sorted((root / "meta/episodes").rglob("*.parquet"))
    assert len(files) == 3
    table = pq.read_table(files[0], partitioning=None)
    pq.write_table(table.append_column("text", pa.array(["x" * 300_000, "y"])), files[0])
    lecompose.merge([root], out=tmp_path / "out", data_mb=0.1)
    assert episodes_of(tmp_path / "out")["text"].to_pylist() == ["x" * 300_000, "y", *[None] * 4]
    assert len(sorted((tmp_path / "out/meta/episodes").rglob("*.parquet"))) > 1


def test_every_operation_carries_columns_keys_and_lineage(v30: Path, v21: Path, tmp_path: Path) -> None:
    add_columns(v30, {"score": pa.array([0.5, None, 2.0]), "who": pa.array(["a", "b", "c"])})
    add_keys(v21, [{"score": 7.0}, {"score": 6.0}, {"who": "f"}])
    for root in (v30, v21):
        change_info(root, lambda info: info.update(licence="MIT"))
    whole = [(0.5, "a"), (None, "b"), (2.0, "c"), (7.0, None), (6.0, None), (None, "f")]
    picked: dict[str, list[int]] = {"merged": [0, 1, 2, 3, 4, 5]}
    lecompose.merge([v30, v21], out=tmp_path / "merged")
    lecompose.delete(tmp_path / "merged", out=tmp_path / "deleted", episodes=[1, 4])
    picked["deleted"] = [0, 2, 3, 5]
    lecompose.split(tmp_path / "merged", out=tmp_path / "parts", into={"odd": "5,3,1", "even": "0,2"})
    picked |= {"parts/odd": [5, 3, 1], "parts/even": [0, 2]}
    lecompose.sort(tmp_path / "merged", out=tmp_path / "sorted", by="score desc nulls last, who")
    picked["sorted"] = [3, 4, 2, 0, 1, 5]
    lecompose.filter(tmp_path / "merged", out=tmp_path / "filtered", where="score > 1")
    picked["filtered"] = [2, 3, 4]
    for name, numbers in picked.items():
        made = episodes_of(tmp_path / name)
        pairs = list(zip(made["score"].to_pylist(), made["who"].to_pylist(), strict=True))
        assert sorted(pairs, key=str) == sorted((whole[n] for n in numbers), key=str), name
        assert info_of(tmp_path / name)["licence"] == "MIT"
        rows = lineage_of(tmp_path / name)
        steps = max(row["step"] for row in rows)
        # The last step is the merge itself: its episode tells which pair must be here.
        roots = {"v30": 0, "v21": 3}
        first = [roots[row["from_dataset"]] + row["from_episode"] for row in rows if row["step"] == steps]
        assert [whole[n] for n in first] == pairs, name
        assert all(row["command"].startswith("lecompose ") for row in rows)
    commands = {row["step"]: row["command"] for row in lineage_of(tmp_path / "filtered")}
    assert "filter" in commands[0]
    assert "score > 1" in commands[0]
    assert "merge" in commands[1]


def test_types_that_do_not_go_together_are_listed(v30: Path, v21: Path, tmp_path: Path) -> None:
    add_columns(
        v30,
        {
            "score": pa.array([0.5, 1.0, 2.0]),
            "id": pa.array([0.5, 1.0, 2.0]),
            "fine": pa.array([1, 2, 3]),
            "Operator": pa.array(["a", "b", "c"]),
        },
    )
    add_keys(v21, [{"score": "good", "id": 2**53 + n, "fine": 1, "operator": "a"} for n in range(3)])
    change_info(v21, lambda info: info.update(robot_type="other"))
    with pytest.raises(FeatureMismatch) as refused:
        lecompose.merge([v30, v21], out=tmp_path / "out")
    lines = str(refused.value).splitlines()
    assert [line for line in lines if '"score"' in line and "double" in line and "string" in line]
    assert [line for line in lines if '"id"' in line and "double" in line and "int64" in line]
    assert [line for line in lines if '"operator"' in line and '"Operator"' in line]
    assert [line for line in lines if "robot_type" in line], "with the other differences"
    assert '"fine"' not in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("names", [("Operator", "operator"), ("Length",)])
def test_columns_that_differ_in_case_alone_are_refused(
    names: tuple[str, ...], v30: Path, tmp_path: Path
) -> None:
    add_columns(v30, {name: pa.array(["a", "b", "c"]) for name in names})
    with pytest.raises(SourceBroken, match=f'"{names[-1]}" cannot be told from "{names[0]}"|"length"'):
        lecompose.merge([v30], out=tmp_path / "out")


# info.json and files beside it ------------------------------------------------------------------


def test_keys_of_info_json_survive(v30: Path, v21: Path, tmp_path: Path) -> None:
    tools = [{"name": "grasp", "parameters": {"force": [0.5, None]}}]
    change_info(v30, lambda info: info.update(tools=tools, licence="MIT", rig="a", only_here={"x": 1}))
    change_info(v21, lambda info: info.update(licence="MIT", rig="b", tools=tools, ok=True))
    report = lecompose.merge([v30, v21], out=tmp_path / "out")
    made = info_of(tmp_path / "out")
    assert {key: made[key] for key in ("tools", "licence", "only_here", "ok")} == {
        "tools": tools,
        "licence": "MIT",
        "only_here": {"x": 1},
        "ok": True,
    }
    assert "rig" not in made
    assert [note for note in report.notes if '"rig"' in note and '"v30"' in note and '"v21"' in note]
    assert not {"total_videos", "total_chunks"} & made.keys(), "v2.x counts of files are no user's keys"
    lecompose.merge([v30], out=tmp_path / "one")
    one = list(info_of(tmp_path / "one"))
    assert list(made)[:13] == one[:13], "LeRobot's own first, as ever"
    assert one[13:] == ["tools", "licence", "rig", "only_here"]
    assert lecompose.check(tmp_path / "out") == []


def test_true_and_1_are_no_agreement(v30: Path, v21: Path, tmp_path: Path) -> None:
    change_info(v30, lambda info: info.update(flag=True))
    change_info(v21, lambda info: info.update(flag=1))
    report = lecompose.merge([v30, v21], out=tmp_path / "out")
    assert "flag" not in info_of(tmp_path / "out")
    assert [note for note in report.notes if '"flag"' in note]


def test_keys_of_a_feature_survive(v30: Path, v21: Path, tmp_path: Path) -> None:
    change_info(v30, lambda info: info["features"]["action"].update(unit="rad", frame="base", fps=30))
    change_info(v21, lambda info: info["features"]["action"].update(unit="rad", frame="tool"))
    camera = "observation.images.front"
    change_info(v30, lambda info: info["features"][camera].update(lens="wide"))
    change_info(v21, lambda info: info["features"][camera].update(lens="wide"))
    report = lecompose.merge([v30, v21], out=tmp_path / "out")
    features = info_of(tmp_path / "out")["features"]
    assert list(features["action"]) == ["dtype", "shape", "names", "unit"]
    assert features["action"]["unit"] == "rad"
    assert list(features[camera]) == ["dtype", "shape", "names", "info", "lens"]
    assert [note for note in report.notes if "action" in note and '"frame"' in note]


OTHER_FILES = ("meta/modality.json", "README.md", "meta/subtasks.parquet")


def test_other_files_are_carried_where_all_have_them(v30: Path, v21: Path, tmp_path: Path) -> None:
    content = b'{"state": {"arm": {"start": 0, "end": 6}}}  '
    for name in OTHER_FILES:
        for root in (v30, v21):
            (root / name).write_bytes(content)
    report = lecompose.merge([v30, v21], out=tmp_path / "same")
    for name in OTHER_FILES:
        assert (tmp_path / "same" / name).read_bytes() == content
        assert not [note for note in report.notes if name in note]
        (v21 / name).write_bytes(content + b"\n")

    report = lecompose.merge([v30, v21], out=tmp_path / "differ")
    for name in OTHER_FILES:
        assert not (tmp_path / "differ" / name).exists()
        assert [note for note in report.notes if name in note and "differ" in note]
        (v21 / name).unlink()

    report = lecompose.merge([v30, v21], out=tmp_path / "lacking")
    for name in OTHER_FILES:
        assert not (tmp_path / "lacking" / name).exists()
        assert [note for note in report.notes if name in note and "not every" in note]


# Lineage ----------------------------------------------------------------------------------------


@thorough
def test_three_generations(
    make_dataset: Record, dataset_v20: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(name="new", version="v3.0", episodes=2)
    make_dataset(name="old", version="v2.1", episodes=1)
    monkeypatch.chdir(tmp_path)
    lecompose.merge(["new", "old"], out="first")
    lecompose.merge([tmp_path / "first", "./old"], out="second")
    lecompose.merge([dataset_v20, "second"], out="third")

    def came(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(
            row[key] for key in ("episode_index", "step", "from_dataset", "from_path", "from_episode")
        )

    first = str(tmp_path / "first")
    v20 = (dataset_v20.name, str(dataset_v20))
    assert [came(row) for row in lineage_of(tmp_path / "third")] == [
        (0, 0, *v20, 0),
        (1, 0, *v20, 1),
        (2, 0, *v20, 2),
        (3, 0, "second", "second", 0),
        (3, 1, "first", first, 0),
        (3, 2, "new", "new", 0),
        (4, 0, "second", "second", 1),
        (4, 1, "first", first, 1),
        (4, 2, "new", "new", 1),
        (5, 0, "second", "second", 2),
        (5, 1, "first", first, 2),
        (5, 2, "old", "old", 0),
        (6, 0, "second", "second", 3),
        (6, 1, "old", "./old", 0),
    ]
    steps = {
        row["step"]: row["command"] for row in lineage_of(tmp_path / "third") if row["episode_index"] > 2
    }
    second = {row["step"]: row["command"] for row in lineage_of(tmp_path / "second")}
    assert (steps[1], steps[2]) == (second[0], second[1]), "earlier commands go along unchanged"
    assert {row["version"] for row in lineage_of(tmp_path / "third")} == {lecompose.__version__}
    assert lecompose.check(tmp_path / "third") == []


def test_the_file_is_small_and_typed(recorded: Record, tmp_path: Path) -> None:
    """Strings that repeat are told once, by the parquet dictionary."""
    root = recorded(version="v3.0", episodes=12, frames=1, cameras=())
    lecompose.merge([root, root], out=tmp_path / "out")
    path = tmp_path / "out/meta/lineage.parquet"
    kinds = {field.name: str(field.type) for field in pq.read_schema(path)}
    assert kinds == {
        "episode_index": "int64",
        "step": "int64",
        "from_dataset": "string",
        "from_path": "string",
        "from_episode": "int64",
        "from_frame": "int64",
        "to_frame": "int64",
        "command": "string",
        "version": "string",
    }
    group = pq.read_metadata(path).row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert {column.compression for column in columns.values()} <= {"ZSTD", "SNAPPY"}
    for name in ("from_dataset", "from_path", "command", "version"):
        assert {"PLAIN_DICTIONARY", "RLE_DICTIONARY"} & set(columns[name].encodings), name


def test_rows_of_episodes_that_are_gone_are_ignored(dataset_v30: Path, tmp_path: Path) -> None:
    """Another tool took episodes out and added some, and left the file as it was."""
    lecompose.merge([dataset_v30], out=tmp_path / "one")
    path = tmp_path / "one/meta/lineage.parquet"
    table = pq.read_table(path)
    numbers = pa.array([0, 7, 8], pa.int64())
    pq.write_table(table.set_column(0, "episode_index", numbers), path)
    assert lecompose.check(tmp_path / "one") == []
    lecompose.merge([tmp_path / "one"], out=tmp_path / "two")
    assert [(row["episode_index"], row["step"]) for row in lineage_of(tmp_path / "two")] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (2, 0),
    ]


def no_parquet(path: Path) -> None:
    path.write_bytes(b"no parquet file at all")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def without_columns(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["step", "command"]), path)


def with_words_for_numbers(path: Path) -> None:
    table = pq.read_table(path)
    words = pa.array(["first"] * table.num_rows)
    pq.write_table(table.set_column(1, "step", words), path)


NO_LINEAGES = {
    no_parquet: "not a parquet file",
    cut_short: "truncated parquet file",
    without_columns: "lacks step, command",
    with_words_for_numbers: "first",
}


def test_a_lineage_that_is_none(dataset_v30: Path, tmp_path: Path) -> None:
    lecompose.merge([dataset_v30], out=tmp_path / "one")
    path = tmp_path / "one/meta/lineage.parquet"
    content = path.read_bytes()
    for damage, word in NO_LINEAGES.items():
        path.write_bytes(content)
        damage(path)
        with pytest.raises(SourceBroken) as refused:
            lecompose.merge([tmp_path / "one"], out=tmp_path / "two")
        assert word in str(refused.value)
        assert "Try: remove it; the dataset loads without it" in str(refused.value)
        assert str(refused.value).endswith(f"({path.resolve()})")
    path.unlink()
    lecompose.merge([tmp_path / "one"], out=tmp_path / "two")
