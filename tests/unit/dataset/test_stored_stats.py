"""The statistics that episodes carry: flat lists of numbers, and null where they are of another size."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Record

from lecompose.dataset import stored_stats
from lecompose.dataset.catalog import Catalog, open_catalog
from lecompose.dataset.feature_map import SourceFeature
from lecompose.engine import Engine, open_engine
from lecompose.errors import SourceBroken
from lecompose.formats import BOOKKEEPING


@pytest.fixture
def dataset(make_dataset: Record) -> Path:
    """3 episodes."""
    return make_dataset(version="v3.0")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(scratch=tmp_path, threads=2)
    yield engine
    engine.close()


def episodes_file(dataset: Path) -> Path:
    return next((dataset / "meta" / "episodes").glob("*/*.parquet"))


def with_column(file: Path, name: str, values: pa.Array) -> None:
    """Replace a column, or add it."""
    table = pq.read_table(file)
    at = table.schema.get_field_index(name)
    table = table.append_column(name, values) if at < 0 else table.set_column(at, name, values)
    pq.write_table(table, file)


def numeric_feature(dataset: Path) -> tuple[str, int]:
    features = json.loads((dataset / "meta" / "info.json").read_text())["features"]
    vectors = ((n, f["shape"][0]) for n, f in features.items() if f["dtype"] == "float32")
    return next((name, size) for name, size in vectors if size > 1)


def carried_column(engine: Engine, dataset: Path, name: str) -> list[list[float | None] | None]:
    catalog: Catalog = open_catalog(engine, [dataset])
    stored_stats.register_stored_stats(catalog)
    rows = engine.read("stored_stats", engine.columns_of("stored_stats")).to_pylist()
    return [row[name] for row in sorted(rows, key=lambda row: row["src_episode"])]


KINDS = {
    "numbers": pa.list_(pa.float64()),
    "single precision": pa.list_(pa.float32()),
    "whole numbers": pa.list_(pa.int32()),
    "large lists": pa.large_list(pa.float64()),
    "nested": pa.list_(pa.list_(pa.list_(pa.float64()))),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_lists_of_any_layout(kind: pa.DataType, engine: Engine, dataset: Path) -> None:
    feature, size = numeric_feature(dataset)
    told = [[float(n + k) for k in range(size)] for n in range(3)]
    nested = pa.types.is_list(kind) and pa.types.is_list(kind.value_type)
    stored = [[[[x]] for x in row] for row in told] if nested else told
    with_column(episodes_file(dataset), f"stats/{feature}/q50", pa.array(stored, kind))
    assert carried_column(engine, dataset, f"{feature}/q50") == told


def test_another_size_is_none(engine: Engine, dataset: Path) -> None:
    """More numbers than the feature has, fewer, null, and one of them null."""
    feature, size = numeric_feature(dataset)
    right, long, short = [0.5] * size, [0.5] * (size + 1), [0.5] * (size - 1)
    path = episodes_file(dataset)
    for stored, expected in (
        ([right, long, short], [right, None, None]),
        ([right, None, right], [right, None, right]),
        ([right, [None, *short], right], [right, None, right]),
        # Together as many as there should be.
        ([long, short, right], [None, None, right]),
    ):
        with_column(path, f"stats/{feature}/q50", pa.array(stored, pa.list_(pa.float64())))
        other = open_engine(scratch=engine.scratch, threads=1)
        assert carried_column(other, dataset, f"{feature}/q50") == expected
        other.close()


def test_a_column_that_one_file_lacks(engine: Engine, dataset: Path) -> None:
    feature, _ = numeric_feature(dataset)
    path = episodes_file(dataset)
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 1), path)
    pq.write_table(table.slice(1).drop_columns(f"stats/{feature}/max"), path.with_name("file-001.parquet"))
    found = carried_column(engine, dataset, f"{feature}/max")
    assert found[0] == table[f"stats/{feature}/max"][0].as_py()
    assert found[1:] == [None, None]


def test_a_damaged_page(engine: Engine, dataset: Path) -> None:
    path = episodes_file(dataset)
    content = bytearray(path.read_bytes())
    column = next(
        chunk
        for n in range(pq.read_metadata(path).num_columns)
        if (chunk := pq.read_metadata(path).row_group(0).column(n)).path_in_schema.startswith("stats/")
    )
    at = column.dictionary_page_offset or column.data_page_offset
    content[at : at + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(content)
    catalog = open_catalog(engine, [dataset])
    with pytest.raises(SourceBroken, match="damaged pages"):
        stored_stats.register_stored_stats(catalog)


# v2.1 -------------------------------------------------------------------------------------------

SAID = {
    "alike": ([[1.5, -2.0], [3.0, 4.0], [5.0, 6.5]], [[1.5, -2.0], [3.0, 4.0], [5.0, 6.5]]),
    "whole and not": ([[1, 2], [3, 4.5], [2**60, 0]], [[1.0, 2.0], [3.0, 4.5], [2.0**60, 0.0]]),
    "nested": ([[[1.0], [2.0]]] * 3, [[1.0, 2.0]] * 3),
    "nested here and there": ([[1.0, 2.0], [[3.0], [4.0]], [5.0, 6.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    "not a number": (
        [[float("inf"), 1.0], [2.0, 3.0], [4.0, 5.0]],
        [[float("inf"), 1.0], [2.0, 3.0], [4.0, 5.0]],
    ),
    "of another size": ([[1.0, 2.0], [1.0, 2.0, 3.0], [7.0]], [[1.0, 2.0], None, None]),
    "all of another size": ([[1.0]] * 3, [None] * 3),
    "texts": ([["1", "2"]] * 3, [None] * 3),
    "nothing": ([None, [1.0, 2.0], {}], [None, [1.0, 2.0], None]),
}


@pytest.mark.parametrize(("said", "told"), SAID.values(), ids=SAID)
def test_lines_of_v21(
    said: list[Any], told: list[list[float] | None], make_dataset: Record, engine: Engine
) -> None:
    pair = {"pair": ("float32", (2,), lambda episode, frame: [episode, frame])}
    dataset = make_dataset(version="v2.1", extra_features=pair)
    path = dataset / "meta" / "episodes_stats.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row, values in zip(rows, said, strict=True):
        row["stats"]["pair"]["mean"] = values
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert carried_column(engine, dataset, "pair/mean") == told


def test_a_line_of_v21_without_the_feature(make_dataset: Record, engine: Engine) -> None:
    dataset = make_dataset(version="v2.1")
    feature, _ = numeric_feature(dataset)
    path = dataset / "meta" / "episodes_stats.jsonl"
    first, *rest = (json.loads(line) for line in path.read_text().splitlines())
    del first["stats"][feature]
    path.write_text("".join(json.dumps(row) + "\n" for row in (first, *rest)))
    found = carried_column(engine, dataset, f"{feature}/mean")
    assert found[0] is None
    assert all(found[1:])


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_stages_read_what_they_want_and_by_the_output_s_names(
    version: str, make_dataset: Record, engine: Engine
) -> None:
    catalog = open_catalog(engine, [make_dataset(version=version)])
    (source,) = catalog.sources
    own = [f for f in source.columns if f.is_numeric and f.name not in BOOKKEEPING]
    first, second, third = own[:3]
    takes = {
        source.name: {
            "renamed": SourceFeature(first),
            "untrue": SourceFeature(second, has_stats=False),
            third.name: SourceFeature(third),
            "filled": SourceFeature(None, 0),
        }
    }
    wanted = {"renamed/mean", "renamed/max", "untrue/mean", "filled/mean"}
    tables = stored_stats.read_tables(catalog, takes, wanted)
    loaded = stored_stats.load_tables(catalog, tables, colours=())
    assert loaded.columns == {"renamed/mean", "renamed/max"}
    assert engine.read("stored_stats", ["src_episode"]).num_rows == source.info["total_episodes"]
