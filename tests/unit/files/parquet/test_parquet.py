"""Footers, pages and pieces: what is written by hand is what every reader reads."""

import io
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecompose.composition.stages.data import byte_ranges
from lecompose.composition.stages.data.byte_ranges import BytesOrRange, RangeWriter
from lecompose.errors import SourceBroken
from lecompose.files.parquet import encode_structs, footers, pages, thrift
from lecompose.files.parquet.footers import MAGIC, ColumnChunks

int64s = st.integers(-(2**63), 2**63 - 1)
firsts = st.integers(-(2**40), 2**40)


@given(int64s)
def test_a_number_comes_back(number: int) -> None:
    written = thrift.encode_integer(number)
    reader = thrift.ThriftReader(b"\x16" + written + b"\x00")
    assert reader.read_struct() == {1: number}


@given(st.lists(int64s, min_size=1, max_size=20), st.lists(st.booleans(), min_size=20, max_size=20))
def test_many_numbers_at_once(numbers: list[int], there: list[bool]) -> None:
    where = np.array(there[: len(numbers)])
    texts = [b"a", b"longer", b""]
    which = np.arange(len(numbers)) % 3
    found = encode_structs.join_cells(
        [
            encode_structs.keep_where(encode_structs.encode_integers(np.array(numbers, np.int64)), where),
            encode_structs.pick_bytes(texts, which),
            encode_structs.encode_int64(np.array(numbers, np.int64)),
            encode_structs.repeat_bytes(b"\x00", len(numbers)),
        ]
    )
    rows = zip(numbers, where, which, strict=True)
    assert found == b"".join(
        (thrift.encode_integer(n) if is_there else b"")
        + texts[text]
        + n.to_bytes(8, "little", signed=True)
        + b"\x00"
        for n, is_there, text in rows
    )


def test_lists_of_any_size() -> None:
    for size in (0, 1, 14, 15, 300):
        written = (
            b"\x19" + thrift.encode_list_head(size, thrift.I32) + thrift.encode_integer(-7) * size + b"\x00"
        )
        assert thrift.ThriftReader(written).read_struct() == {1: [-7] * size}


def of_pages(held: list[bytes], counts: list[int], *, nullable: bool, encoding: str) -> bytes:
    """A parquet file with one column `n`, a page a row group."""
    schema = pa.schema([pa.field("n", pa.int64(), nullable=nullable)])
    sizes = np.array([len(page) for page in held])
    nothing = np.zeros(len(held), np.int64)
    starts = len(MAGIC) + np.cumsum(sizes) - sizes
    column = ColumnChunks(
        starts, sizes, sizes, np.array(counts), nothing - 1, nothing, nothing,
        (("UNCOMPRESSED", ("RLE", encoding)),),
    )  # fmt: skip
    (leaf,) = footers.list_leaf_columns(footers.build_empty_footer(schema).schema)
    footer = footers.build_file_end(schema, np.array(counts), [(leaf, column)])
    return b"".join([MAGIC, *held, footer])


runs = st.lists(st.tuples(firsts, st.integers(-1, 2), st.integers(1, 700)), min_size=1, max_size=6)


@given(runs, st.booleans())
def test_readers_read_sequences(told: list[tuple[int, int, int]], nullable: bool) -> None:
    held = [pages.encode_sequence_page(first, step, count, nullable=nullable) for first, step, count in told]
    file = of_pages(held, [n for *_, n in told], nullable=nullable, encoding="DELTA_BINARY_PACKED")
    numbers = [first + step * n for first, step, count in told for n in range(count)]
    read = pq.ParquetFile(io.BytesIO(file))
    assert [read.metadata.row_group(n).num_rows for n in range(len(told))] == [n for *_, n in told]
    assert read.read()["n"].to_pylist() == numbers


@given(st.lists(st.lists(int64s, min_size=1, max_size=40), min_size=1, max_size=4), st.booleans())
def test_readers_read_numbers_as_they_are(told: list[list[int]], nullable: bool) -> None:
    held = [pages.encode_plain_page(np.array(numbers, np.int64), nullable=nullable) for numbers in told]
    file = of_pages(held, [len(numbers) for numbers in told], nullable=nullable, encoding="PLAIN")
    assert pq.read_table(io.BytesIO(file))["n"].to_pylist() == [n for numbers in told for n in numbers]


@pytest.mark.parametrize("nullable", [True, False])
def test_duckdb_and_polars_read_them_too(nullable: bool, tmp_path: Path) -> None:
    told = [(0, 1, 500), (500, 1, 1), (501, 1, 129), (7, 0, 300)]
    held = [pages.encode_sequence_page(*each, nullable=nullable) for each in told]
    path = tmp_path / "a.parquet"
    path.write_bytes(of_pages(held, [n for *_, n in told], nullable=nullable, encoding="DELTA_BINARY_PACKED"))
    wanted = [*range(630), *[7] * 300]
    rows = duckdb.sql(f"select n from read_parquet('{path}')").fetchall()
    assert [n for (n,) in rows] == wanted
    polars = pytest.importorskip("polars")
    assert polars.read_parquet(path)["n"].to_list() == wanted


def test_footers_say_what_they_said(tmp_path: Path) -> None:
    """ColumnChunks of every kind, their footer written anew: the same file."""
    table = pa.table(
        {
            "a.list": pa.array([[1.0, 2.0], [3.0, None], None], pa.list_(pa.float32())),
            "a": pa.array(["x", None, "x"]),
            "b": pa.array([{"c.d": 1, "e": b"z"}] * 3),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=2, compression={"a.list.list.element": "zstd", "a": "gzip"})
    metadata = pq.read_metadata(path)
    leaves = footers.list_leaf_columns(metadata.schema)
    assert [(leaf.name, leaf.path) for leaf in leaves] == [
        ("a.list", ("list", "element")), ("a", ()), ("b", ("c", "d")), ("b", ("e",)),
    ]  # fmt: skip
    # A struct's field with a dot in its name is no column of a dataset; its path would be taken apart.
    kept = [0, 1, 3]
    facts = [footers.read_chunk_fact(metadata.row_group(group).column(n)) for group in range(2) for n in kept]
    columns = [(leaves[n], c) for n, c in zip(kept, footers.build_column_chunks(facts, 3), strict=True)]
    table = table.set_column(2, "b", pa.array([{"e": b"z"}] * 3))
    content = path.read_bytes()
    file = content[: metadata.row_group(1).column(3).data_page_offset + 200]
    footer = footers.build_file_end(table.schema, np.array([2, 1]), columns)
    assert pq.read_table(io.BytesIO(file + footer)).equals(table)


@pytest.mark.parametrize(
    "fact", [(2, -1, 9, 9, 1), (40, -1, -1, 9, 1), (40, -1, 9, -9, 1), (40, -1, 9, 9, -1)]
)
def test_chunks_that_cannot_be(fact: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        footers.build_column_chunks([(*fact, ("SNAPPY", ("PLAIN",)))], 1)


@pytest.mark.parametrize("way", [("LZ4", ("PLAIN",)), ("SNAPPY", ("NEW",))])
def test_ways_that_are_not_known(way: footers.Storage) -> None:
    with pytest.raises(ValueError, match="not known"):
        footers.build_column_chunks([(40, -1, 9, 9, 1, way)], 1)


places = st.lists(st.binary(max_size=5) | st.tuples(st.integers(0, 250), st.integers(0, 50)), max_size=30)


@given(given_pieces=places, window=st.integers(1, 40), most=st.integers(1, 6))
def test_pieces_stand_as_they_were_given(
    given_pieces: list[BytesOrRange], window: int, most: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    content = bytes(np.random.default_rng(1).integers(0, 256, 300, np.uint8))
    (folder / "source").write_bytes(content)
    told: list[int] = []
    with pytest.MonkeyPatch.context() as patched, (folder / "out").open("wb", buffering=0) as out:
        patched.setattr(byte_ranges, "_WINDOW_BYTES", window)
        patched.setattr(byte_ranges, "_MOST_BUFFERS", most)
        writer = RangeWriter(out, told.append)
        with writer.source(folder / "source"):
            writer.write(given_pieces)
    parts = [p if isinstance(p, bytes) else content[p[0] : p[0] + p[1]] for p in given_pieces]
    assert (folder / "out").read_bytes() == b"".join(parts)
    copied = sum(p[1] for p in given_pieces if not isinstance(p, bytes))
    assert writer.copied == sum(told) == copied


def test_a_source_that_became_shorter(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(100))
    with (tmp_path / "out").open("wb", buffering=0) as out:
        writer = RangeWriter(out, lambda _: None)
        with (
            writer.source(tmp_path / "source"),
            pytest.raises(SourceBroken, match=r"^data changed while it was read: 30 bytes at 100 are gone"),
        ):
            writer.write([(10, 50), (90, 40)])
        with pytest.raises(SourceBroken, match=r"No such file.*gone\)$"), writer.source(tmp_path / "gone"):
            pass
