"""Vectors and arrays whose lists have other lengths than declared, and text declared as language."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from broken.specs import with_column
from support.independent import read

import lecompose

Record = Callable[..., Path]
FLOAT = pa.float32()
ACROSS = [[0.0, 0.5], [1.0, 2.0], [3.0, 4.0]]
RAGGED = [[1.0, 2.0], [1.0, 2.0, 3.0, 4.0]]


def damaged(make_dataset: Record, version: str, values: Any, kind: pa.DataType, **spec: Any) -> Path:
    root = make_dataset("day", version=version, cameras=(), frames=(4, 6))
    column = with_column(
        "x", lambda rows: pa.array([values[n % len(values)] for n in range(rows)], kind), **spec
    )
    column(root)
    return root


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v2.1", pa.list_(pa.list_(FLOAT))),
        ("v3.0", pa.list_(pa.list_(FLOAT, 2), 3)),
        ("v2.0", pa.list_(pa.list_(FLOAT))),
    ],
)
def test_an_array_across_its_shape(
    version: str, kind: pa.DataType, make_dataset: Record, tmp_path: Path
) -> None:
    root = damaged(make_dataset, version, [ACROSS], kind, dtype="float32", shape=[2, 3])
    (found,) = [f for f in lecompose.check(root) if f.feature == "x" and f.code == "columns"]
    assert "2 × 3 numbers are declared, and there are others: all are 3 × 2" in found.problem
    with pytest.raises(lecompose.SourceBroken, match=r"2 × 3 numbers(.|\n)*episode 0(.|\n)*--remove x"):
        lecompose.merge(root, out=tmp_path / "out")
    report = lecompose.repair(root, out=tmp_path / "out")
    assert any("[2, 3], and is [3, 2]" in note for note in report.notes)
    assert read(tmp_path / "out").episodes[1].rows["x"].to_pylist() == [ACROSS] * 6
    assert not [f for f in lecompose.check(tmp_path / "out") if f.code == "columns"]


@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_lengths_that_add_up(row_groups: str, make_dataset: Record, tmp_path: Path) -> None:
    """Two and four numbers are as many as three and three, and no row of three."""
    root = damaged(make_dataset, "v2.1", RAGGED, pa.list_(FLOAT), dtype="float32", shape=[3])
    with pytest.raises(lecompose.SourceBroken, match="vectors of 3 numbers"):
        lecompose.merge(root, out=tmp_path / "out", row_groups=row_groups)
    assert "columns" in {finding.code for finding in lecompose.check(root)}
    report = lecompose.repair(root, out=tmp_path / "out")
    assert any('"x" is left out with its data' in note for note in report.notes)


def test_readers_of_frames_refuse_too(make_dataset: Record) -> None:
    root = damaged(make_dataset, "v3.0", [ACROSS], pa.list_(pa.list_(FLOAT)), dtype="float32", shape=[2, 3])
    with lecompose.open(root) as held, pytest.raises(lecompose.SourceBroken, match="2 × 3 numbers"):
        list(held.frames())


def test_text_declared_as_language(make_dataset: Record, tmp_path: Path) -> None:
    root = damaged(make_dataset, "v3.0", ["pick"], pa.string(), dtype="language", shape=[1])
    (found,) = [f for f in lecompose.check(root) if f.code == "columns"]
    assert found.feature == "x"
    assert "column of string" in found.problem
    with pytest.raises(lecompose.SourceBroken, match="--skip-broken"):
        lecompose.merge(root, out=tmp_path / "out")
    report = lecompose.merge(root, out=tmp_path / "out", skip_broken=True)
    assert any('"x" was declared as language' in note for note in report.notes)
    assert set(read(tmp_path / "out").episodes[0].rows["x"].to_pylist()) == {"pick"}
    assert lecompose.check(tmp_path / "out") == []
