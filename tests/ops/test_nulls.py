"""Columns of nulls, columns with nulls: they are read whatever their files say, and counted as they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import typed
from support.effort import every_nth, few, thorough
from support.independent import read
from support.typed import Kind

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


@pytest.fixture(params=few(("v3.0", "v2.1"), kept=lambda n: n == 0))
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
    """What was written has one type, the declared one, in every file; a stranger finds no more than nulls."""
    assert [f for f in lecompose.check(root) if f.code != "pictures_empty"] == []
    for path in root.glob("data/*/*.parquet"):
        schema = pq.read_schema(path)
        assert schema.field("scalar").type == pa.float64()
        assert schema.field("vector").type == pa.list_(pa.float32(), 3)
        assert schema.field("picture").type == typed.IMAGE


@every_nth(2)
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


# Statistics -------------------------------------------------------------------------------------

LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99)


def stats_json(root: Path) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = json.loads((root / "meta/stats.json").read_text())
    return told


def of_episodes(root: Path) -> dict[str, list[Any]]:
    (path,) = (root / "meta/episodes").rglob("*.parquet")
    return pq.read_table(path).to_pydict()


def as_numpy(rows: np.ndarray) -> dict[str, Any]:
    wide = rows.astype(np.float64)
    quantiles = np.quantile(wide, LEVELS, axis=0, method="linear")
    plain = {"min": wide.min(0), "max": wide.max(0), "mean": wide.mean(0), "std": wide.std(0)}
    return plain | dict(zip(("q01", "q10", "q50", "q90", "q99"), quantiles, strict=True))


def assert_stats(found: dict[str, Any], rows: np.ndarray) -> None:
    assert found["count"] == [len(rows)]
    truth = as_numpy(rows)
    assert found.keys() == {*truth, "count"}
    for stat, values in truth.items():
        np.testing.assert_allclose(found[stat], values, rtol=1e-12, atol=1e-12, err_msg=stat)


def holey(values: list[Any], kind: pa.DataType) -> Callable[[typed.Random, int], pa.Array]:
    """Cells that give `values` one after the other, whatever the file."""
    rest = iter(values)
    return lambda _, n: pa.array([next(rest) for _ in range(n)], kind)


VALUES = {
    "some": [1.0, None, 4.0, 8.0, 2.0, None, None, None, 5.0],  # episodes of 3, 4 and 2 frames
    "late": [None] * 3 + [7, None, 9, 11] + [None] * 2,
    "never": [None] * 9,
    "pair": [[1, 2], None, [3, 4], [5, None], None, [6, 7], [8, 9], [None, None], [0, 1]],
    "broken": [0.5, float("nan"), 1.5, 2.5, 3.5, float("inf"), 4.5, 5.5, 6.5],
}


def with_holes(root: Path, version: str = "v3.0") -> Path:
    kinds = {
        "some": Kind("float32", (1,), holey(VALUES["some"], pa.float32())),
        "late": Kind("int64", (1,), holey(VALUES["late"], pa.int64())),
        "never": Kind("float64", (3,), lambda _, n: pa.nulls(n)),
        "pair": Kind("int32", (2,), holey(VALUES["pair"], pa.list_(pa.int32()))),
        "broken": Kind("float32", (1,), holey(VALUES["broken"], pa.float32())),
        "whole": typed.scalar("int16", typed.calm),
    }
    return typed.write(root, kinds, version=version)


def there(name: str) -> np.ndarray:
    rows = [x for x in VALUES[name] if x is not None and x != [None, None] and x != [5, None]]
    return np.array(rows).reshape(len(rows), -1)


def assert_holes(root: Path, times: int = 1) -> None:
    """Everything said of the columns of `with_holes`, so many of which follow each other."""
    said, episodes = stats_json(root), of_episodes(root)
    assert "never" not in said
    assert np.isnan(said["broken"]["mean"]).all(), "as LeRobot says it"
    for name in ("some", "late", "pair"):
        assert_stats(said[name], np.concatenate([there(name)] * times))
    counts = {
        "some": [2, 2, 1],
        "late": [0, 3, 0],
        "never": [0, 0, 0],
        "pair": [2, 2, 1],
        "broken": [3, 4, 2],
    }
    for name, expected in counts.items():
        assert [count for (count,) in episodes[f"stats/{name}/count"]] == expected * times, name
    assert [np.isnan(mean).all() for mean in episodes["stats/late/mean"]] == [True, False, True] * times
    assert episodes["stats/late/mean"][1] == [9.0]
    assert episodes["stats/broken/max"][2] == [6.5]
    assert [f for f in lecompose.check(root) if f.code != "pictures_empty"] == []


@pytest.mark.parametrize("version", few(("v2.0", "v2.1", "v3.0"), kept=lambda n: n > 0))
def test_statistics_are_of_what_is_there(version: str, tmp_path: Path) -> None:
    a = with_holes(tmp_path / "a", version)
    report = lecompose.merge(a, out=tmp_path / "out")
    assert_holes(tmp_path / "out")
    assert 'feature "never": no value in any frame; stats.json leaves it out' in report.notes
    assert 'feature "broken": has NaN or infinite numbers, and so have its statistics' in report.notes
    assert lecompose.stats(a).keys() == stats_json(tmp_path / "out").keys()


@thorough
def test_they_stay_true_when_merged_again(tmp_path: Path) -> None:
    lecompose.merge(with_holes(tmp_path / "a"), out=tmp_path / "once")
    lecompose.merge([tmp_path / "once", tmp_path / "once"], out=tmp_path / "twice")
    assert_holes(tmp_path / "twice", times=2)
    lecompose.stats(tmp_path / "twice", out=tmp_path / "anew")
    assert_holes(tmp_path / "anew", times=2)
    report = lecompose.split(
        tmp_path / "twice", out=tmp_path / "parts", into={"x": [1], "y": [0, 2, 3, 4, 5]}
    )
    assert sum("never" in note for note in report.notes) == 1
    assert_stats(stats_json(tmp_path / "parts/x")["late"], there("late"))
    assert [of_episodes(tmp_path / "parts" / p)["stats/some/count"] for p in "xy"] == [
        [[2]],
        [[2], [1], [2], [2], [1]],
    ]


def test_what_a_union_fills_is_counted_as_nothing(tmp_path: Path) -> None:
    a = typed.write(tmp_path / "a", {"force": typed.vector("float32", 2, fixed=True, draw=typed.calm)})
    b = typed.write(tmp_path / "b", {"glove": typed.scalar("bool")}, lengths=(5,))
    lecompose.merge([a, b], out=tmp_path / "ab", features="union", fill="null")
    lecompose.merge([tmp_path / "ab", tmp_path / "ab"], out=tmp_path / "again")
    force = np.concatenate([np.array(e.rows["force"].to_pylist()) for e in read(a).episodes])
    glove = np.array(read(b).episodes[0].rows["glove"].to_pylist())[:, None]
    for root, times in ((tmp_path / "ab", 1), (tmp_path / "again", 2)):
        said, held = stats_json(root), of_episodes(root)
        assert_stats(said["force"], np.concatenate([force] * times))
        assert_stats(said["glove"], np.concatenate([glove] * times))
        assert [n for (n,) in held["stats/force/count"]] == [3, 4, 2, 0] * times
        assert [n for (n,) in held["stats/glove/count"]] == [0, 0, 0, 5] * times
        assert lecompose.check(root) == []


def test_check_tells_statistics_that_lack_without_need(tmp_path: Path) -> None:
    lecompose.merge(with_holes(tmp_path / "a"), out=tmp_path / "out")
    path = tmp_path / "out/meta/stats.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({name: part for name, part in said.items() if name not in ("some", "whole")}))
    (episodes,) = (tmp_path / "out/meta/episodes").rglob("*.parquet")
    table = pq.read_table(episodes)
    at = table.schema.get_field_index("stats/late/count")
    counts = pa.array([[0], [2], [0]], table.schema.field(at).type)
    pq.write_table(table.set_column(at, table.schema.field(at), counts), episodes)
    found = {(v.code, v.feature, v.episode) for v in lecompose.check(tmp_path / "out")}
    assert found == {
        ("stats_keys", "some", None),
        ("stats_keys", "whole", None),
        ("episode_stats", "late", 1),
    }
