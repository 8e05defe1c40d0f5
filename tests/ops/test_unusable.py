"""Columns that no feature can be: the rest is read, and they are left out of what is written, once asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from broken.damage import DATA, edit_json, edit_parquet
from broken.specs import structs, with_column

import lecompose

Record = Callable[..., Path]
PLAIN: dict[str, Any] = {"cameras": (), "frames": (4, 3)}

UNUSABLE = {
    "structs": (structs, {"dtype": "struct", "shape": [1]}),
    "undeclared nulls": (pa.nulls, {}),
    "moments": (
        lambda rows: pa.array([10**15] * rows, pa.timestamp("us")),
        {"dtype": "timestamp[us]", "shape": [1]},
    ),
    "depths of no size": (
        lambda rows: pa.array([[]] * rows, pa.list_(pa.float32())),
        {"dtype": "depth", "shape": [0]},
    ),
    "undeclared numbers": (lambda rows: pa.array([1.0] * rows), {}),
}


@pytest.fixture(params=list(UNUSABLE))
def odd(request: pytest.FixtureRequest, make_dataset: Record) -> Path:
    values, spec = UNUSABLE[request.param]
    version = "v2.1" if len(request.param) % 2 else "v3.0"
    root = make_dataset("day", version=version, **PLAIN)
    with_column("extra", values, **spec)(root)
    return root


def columns(root: Path) -> list[str]:
    return [column.name for column in lecompose.info(root).features]


def test_the_rest_is_read(odd: Path) -> None:
    (problem,) = lecompose.info(odd).problems
    assert '"extra"' in problem
    with lecompose.open(odd) as datasets:
        (note,) = datasets.notes
        assert '"extra"' in note
        assert datasets.query("select count(*) n from frames").to_pydict() == {"n": [7]}
        read = datasets.frames().read_all()
        assert ("extra" in read.column_names, len(read)) == (False, 7)
        with pytest.raises(lecompose.RequestError, match='"extra" cannot be read'):
            datasets.frames(columns=["extra"])


def test_writing_refuses_it_until_it_is_removed(odd: Path, tmp_path: Path) -> None:
    with pytest.raises(lecompose.SourceBroken, match="--remove extra, which") as error:
        lecompose.delete(odd, out=tmp_path / "out", episodes=[0])
    assert '"extra"' in error.value.parts[0]
    lecompose.delete(odd, out=tmp_path / "out", episodes=[0], remove=["extra"])
    assert lecompose.check(tmp_path / "out") == []
    assert "extra" not in columns(tmp_path / "out")


def test_repair_leaves_it_out_and_says_so(odd: Path, tmp_path: Path) -> None:
    report = lecompose.repair(odd, out=tmp_path / "out")
    assert len([note for note in report.notes if "extra" in note and "left out" in note]) == 1
    assert lecompose.check(tmp_path / "out") == []
    assert "extra" not in columns(tmp_path / "out")
    lecompose.merge(odd, out=tmp_path / "again", skip_broken=True, remove=["extra"], dry_run=True)


def test_what_another_source_has_right_is_not_advised_away(make_dataset: Record, tmp_path: Path) -> None:
    odd, sound = make_dataset("odd", **PLAIN), make_dataset("sound", **PLAIN, seed=1)
    with_column("extra", structs, dtype="struct", shape=[1])(odd)
    with_column("extra", lambda rows: pa.array([1.0] * rows, pa.float32()), dtype="float32", shape=[1])(sound)
    with pytest.raises(lecompose.SourceBroken, match="--remove odd:extra, which"):
        lecompose.merge([odd, sound], out=tmp_path / "out")
    lecompose.merge([odd, sound], out=tmp_path / "out", remove=["odd:extra"], features="common")
    assert "extra" not in columns(tmp_path / "out")


@pytest.mark.parametrize(("odd", "dropped"), [((0, 1, 2), 0), ((1,), 1)])
def test_vectors_of_other_lengths(
    odd: tuple[int, ...], dropped: int, make_dataset: Record, tmp_path: Path
) -> None:
    root = make_dataset("day", **PLAIN | {"frames": (4, 3, 5)})

    def vectors(table: pa.Table) -> pa.Table:
        rows = zip(table["episode_index"].to_pylist(), table["frame_index"].to_pylist(), strict=True)
        values = [[] if episode in odd and not frame else [1.0, 2.0] for episode, frame in rows]
        return table.append_column("extra", pa.array(values, pa.list_(pa.float32())))

    edit_parquet(DATA, vectors, whole=True)(root)
    declare = {"dtype": "float32", "shape": [2], "names": None}
    edit_json("meta/info.json", lambda content: content["features"].update(extra=declare))(root)
    (found,) = [f for f in lecompose.check(root) if "2 numbers are declared" in f.problem]
    assert (found.code, found.episode) == ("columns", odd[0])
    with pytest.raises(lecompose.SourceBroken, match="--remove extra, which"):
        lecompose.merge(root, out=tmp_path / "out")
    report = lecompose.repair(root, out=tmp_path / "out")
    assert [d.episode for d in report.dropped] == [1] * dropped
    assert any('"extra" is left out' in note for note in report.notes) is not bool(dropped)
    assert ("extra" in columns(tmp_path / "out")) is bool(dropped)
    assert lecompose.check(tmp_path / "out") == []
    assert lecompose.merge(root, out=tmp_path / "all", skip_broken=True, remove=["extra"]).dropped == ()
