"""The schema of a file is pyarrow's own, whatever other files have been read before it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lecompose.files.parquet import schema_cache
from lecompose.files.parquet.schema_cache import read_schema

types = st.sampled_from(
    [pa.int64(), pa.float32(), pa.string(), pa.list_(pa.float32()), pa.list_(pa.float32(), 3), pa.null()]
)
fields = st.lists(st.tuples(st.sampled_from("abcd"), types), min_size=1, max_size=4, unique_by=lambda f: f[0])
notes = st.dictionaries(st.sampled_from(["huggingface", "pandas", "x"]), st.text(max_size=5), max_size=3)


@pytest.fixture(autouse=True)
def nothing_read_before() -> None:
    schema_cache._kinds.clear()


def _write(path: Path, schema: pa.Schema, *, rows: int = 1, **options: object) -> Path:
    columns = [pa.nulls(rows, field.type) for field in schema]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, **options)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(files=st.lists(st.tuples(fields, notes, st.integers(1, 40), st.booleans()), min_size=1, max_size=6))
def test_files_like_others_and_unlike(
    files: list[tuple[list[tuple[str, pa.DataType]], dict[str, str], int, bool]], tmp_path: Path
) -> None:
    schema_cache._kinds.clear()
    for n, (columns, noted, rows, stored) in enumerate(files):
        schema = pa.schema(columns, metadata=noted)
        path = _write(tmp_path / f"{n}.parquet", schema, rows=rows, store_schema=stored, row_group_size=7)
        for _ in range(2):
            assert read_schema(path).equals(pq.read_schema(path), check_metadata=True)


def test_a_file_like_one_before_is_known_by_the_ends_of_its_footer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = pa.schema([("a", pa.list_(pa.float32(), 3))], metadata={"huggingface": "{}"})
    one, many = (_write(tmp_path / f"{n}.parquet", schema, rows=n, row_group_size=1) for n in (1, 3000))
    assert many.stat().st_size > 2 * schema_cache._END_BYTES
    expected = pq.read_schema(many)
    read_schema(one)
    monkeypatch.setattr(pq, "ParquetFile", None)
    assert read_schema(many).equals(expected, check_metadata=True)


def test_one_without_notes_is_not_taken_for_another(tmp_path: Path) -> None:
    stored, bare = (
        _write(tmp_path / f"{n}.parquet", pa.schema([("a", kind)]), store_schema=n == 0)
        for n, kind in enumerate([pa.large_string(), pa.string()])
    )
    assert read_schema(bare).field("a").type == pa.string()
    assert read_schema(stored).field("a").type == pa.large_string()
    assert read_schema(bare).field("a").type == pa.string()


def test_more_notes_are_more(tmp_path: Path) -> None:
    """The notes of one file may be the last ones of another."""
    noted: list[dict[str, str]] = [{"z": "1"}, {"a": "0", "z": "1"}, {"z": "1"}]
    for n, pairs in enumerate(noted):
        path = tmp_path / f"{n}.parquet"
        with pq.ParquetWriter(path, pa.schema([("a", pa.int64())]), store_schema=False) as file:
            file.add_key_value_metadata(pairs)
        assert read_schema(path).metadata == {key.encode(): value.encode() for key, value in pairs.items()}
    assert len(schema_cache._kinds) == 2


def test_schemas_that_are_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    schema = pa.schema([(f"column_{n:05}", pa.int64()) for n in range(5000)])
    path = _write(tmp_path / "wide.parquet", schema)
    for _ in range(2):
        assert read_schema(path).equals(schema)
    assert not schema_cache._kinds


def test_what_is_no_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for content in (b"", b"PAR1", b"\xff\xff\xff\x7fPAR1", b"PAR1" + bytes(40) + b"\x20\0\0\0PAR1"):
        path.write_bytes(content)
        with pytest.raises((pa.ArrowException, OSError)):
            read_schema(path)
    with pytest.raises(FileNotFoundError):
        read_schema(tmp_path / "none.parquet")
