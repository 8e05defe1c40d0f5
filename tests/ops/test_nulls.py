"""Columns of nulls, columns with nulls: they are read whatever their files say, and counted as they are."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typed
from independent import read
from typed import Kind

import lecompose

LENGTHS = (3, 4, 2, 5)
KINDS = {
    "scalar": typed.scalar("float64", typed.calm),
    "vector": typed.vector("float32", 3, fixed=True, draw=typed.calm),
    "grid": typed.array("int16", (2, 2), extension=True, draw=typed.calm),
    "word": typed.text(),
    "picture": typed.image("png"),
}
# The files that were written without a type for a feature, as all that they hold of it is null.
UNTYPED = {"scalar": (0,), "vector": (0, 2), "grid": (1, 3), "word": (3,), "picture": (0, 1, 2, 3)}


def gone(kind: Kind, files: tuple[int, ...]) -> Kind:
    """A feature of which some files hold nothing, and know no type."""
    made = iter(range(99))

    def cells(rng: typed.Random, n: int) -> pa.Array:
        given = kind.cells(rng, n)
        return pa.nulls(n) if next(made) in files else given

    return Kind(kind.dtype, kind.shape, cells, kind.info, kind.extension)


@pytest.fixture(params=["v2.1", "v3.0"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Four episodes, each in a file of its own."""
    kinds = {name: gone(kind, UNTYPED[name]) for name, kind in KINDS.items()}
    return typed.write(
        tmp_path / "source", kinds, version=request.param, lengths=LENGTHS, episodes_per_file=1
    )


def cells(root: Path) -> list[dict[str, list[Any]]]:
    """The features of each episode."""
    return [{name: episode.rows[name].to_pylist() for name in KINDS} for episode in read(root).episodes]


def assert_typed(root: Path) -> None:
    """What was written has one type, the declared one, in every file; a stranger finds nothing wrong."""
    assert lecompose.check(root) == []
    for path in root.glob("data/*/*.parquet"):
        schema = pq.read_schema(path)
        assert schema.field("scalar").type == pa.float64()
        assert schema.field("vector").type == pa.list_(pa.float32(), 3)
        assert schema.field("picture").type == typed.IMAGE


@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_streamed(source: Path, row_groups: str, tmp_path: Path) -> None:
    lecompose.merge([source, source], out=tmp_path / "out", row_groups=row_groups)
    assert_typed(tmp_path / "out")
    assert cells(tmp_path / "out") == cells(source) * 2


def test_where_only_a_later_file_has_no_type(tmp_path: Path) -> None:
    a = typed.write(tmp_path / "a", {"vector": gone(KINDS["vector"], (1,))}, episodes_per_file=1)
    lecompose.merge(a, out=tmp_path / "out")
    held = [e.rows["vector"].to_pylist() for e in read(a).episodes]
    assert held[1] == [None] * 4
    assert [e.rows["vector"].to_pylist() for e in read(tmp_path / "out").episodes] == held


def test_files_of_different_types_are_told_whatever_the_first_one_is(tmp_path: Path) -> None:
    made = iter((pa.null(), pa.float32(), pa.float64()))
    kind = Kind("float32", (1,), lambda _, n: pa.array([None] * n).cast(next(made)))
    a = typed.write(tmp_path / "a", {"scalar": kind}, episodes_per_file=1)
    with pytest.raises(lecompose.SourceBroken, match=r'"scalar" is double, not float.*file-002'):
        lecompose.merge(a, out=tmp_path / "out")


def test_some_episodes(source: Path, tmp_path: Path) -> None:
    lecompose.delete(source, out=tmp_path / "out", episodes="1")
    assert_typed(tmp_path / "out")
    held = cells(source)
    assert cells(tmp_path / "out") == [held[n] for n in (0, 2, 3)]


def test_gathered_by_row_groups(source: Path, tmp_path: Path) -> None:
    order = [(3 * n) % 4 for n in range(20)]  # more reads than are done one by one
    rows = ", ".join(f"({episode}, {n})" for n, episode in enumerate(order))
    sql = f"select 'source' as src_dataset, e as src_episode from (values {rows}) t(e, n) order by n"
    lecompose.compose(sql, {"source": source}, out=tmp_path / "out")
    assert_typed(tmp_path / "out")
    held = cells(source)
    assert cells(tmp_path / "out") == [held[n] for n in order]


def test_frames_in_python(source: Path) -> None:
    with lecompose.open(source) as opened:
        table = opened.frames([2, 0, 3], columns=["src_episode", *KINDS]).read_all()
    held = cells(source)
    for name in KINDS:
        assert table[name].to_pylist() == [x for n in (2, 0, 3) for x in held[n][name]]
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 3)


def test_query(source: Path) -> None:
    held = cells(source)
    told = lecompose.query(
        source,
        "select src_episode, sum(scalar) as s, max(abs(vector[2])) as v from frames group by 1 order by 1",
    )
    for row, episode in zip(told.to_pylist(), held, strict=True):
        scalars = [x for x in episode["scalar"] if x is not None]
        vectors = [abs(x[1]) for x in episode["vector"] if x is not None]
        assert row["s"] == (sum(scalars) if scalars else None)
        assert row["v"] == max(vectors, default=None)
    every = lecompose.query(source, f"select {', '.join(KINDS)} from frames").to_pydict()
    assert every == {name: [x for e in held for x in e[name]] for name in KINDS}


def test_query_beside_a_source_that_has_them(source: Path, tmp_path: Path) -> None:
    whole = typed.write(tmp_path / "whole", KINDS, lengths=(2, 3), seed=5)
    for order in ([source, whole], [whole, source]):
        told = lecompose.query(order, "select src_dataset, vector[1] as v, picture.path as p from frames")
        found = {name: [] for name in ("source", "whole")}  # type: dict[str, list[Any]]
        for row in told.to_pylist():
            found[row["src_dataset"]].append(row["v"])
        for root in (source, whole):
            expected = [x and x[0] for e in cells(root) for x in e["vector"]]
            assert found[root.name] == expected
