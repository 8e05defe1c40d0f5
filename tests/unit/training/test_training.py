"""Rows and picture files out of parquet files of any writer, one at a time."""

import os
import pickle
import random
import struct
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lecompose
from lecompose.errors import SourceBroken
from lecompose.files.parquet import thrift
from lecompose.training import read_pages
from lecompose.training.file_stamps import stamp_files
from lecompose.training.lru_cache import LruCache
from lecompose.training.per_process import PerProcess
from lecompose.training.read_pages import NotPaged, PictureColumn
from lecompose.training.read_rows import RowReader, SelectedEpisode
from lecompose.training.selection import select_episodes

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CODECS = ("NONE", "SNAPPY", "GZIP", "ZSTD", "BROTLI", "LZ4")


# PictureColumn ------------------------------------------------------------------------------------------


@st.composite
def files(draw: Any) -> tuple[list[bytes | None], dict[str, Any]]:
    """Byte strings, and how they are written."""
    size = draw(st.sampled_from([0, 3, 200, 20_000]))
    count, seed = draw(st.integers(1, 120)), draw(st.integers(0, 9))
    rng = random.Random(seed)
    few = [rng.randbytes(rng.randint(0, size)) for _ in range(3)]
    repeats, gaps = draw(st.booleans()), draw(st.booleans())
    values = [rng.choice(few) if repeats else rng.randbytes(rng.randint(0, size)) for _ in range(count)]
    kept = [None if gaps and rng.random() < 0.3 else value for value in values]
    how = {
        "use_dictionary": draw(st.booleans()),
        "compression": draw(st.sampled_from(CODECS)),
        "data_page_version": draw(st.sampled_from(["1.0", "2.0"])),
        "data_page_size": draw(st.sampled_from([100, 5000, 2**20])),
        "write_batch_size": draw(st.sampled_from([1, 7, 1024])),
        "dictionary_pagesize_limit": draw(st.sampled_from([10, 2**20])),
        "row_group_size": draw(st.sampled_from([1, 50, 1000])),
        "write_statistics": draw(st.booleans()),
    }
    return kept, how


@settings(deadline=None, max_examples=60)
@given(files(), st.booleans())
def test_every_value_of_any_file(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[list[bytes | None], dict[str, Any]], nested: bool
) -> None:
    values, how = file
    path = str(tmp_path_factory.mktemp("pages") / "file.parquet")
    written(path, values, how, nested=nested)
    parquet = pq.ParquetFile(path)
    column = PictureColumn(
        pa.OSFile(path), parquet, "x.bytes" if nested else "x", read_pages.make_page_cache()
    )
    order = list(range(len(values)))
    random.Random(0).shuffle(order)
    for row in order:
        assert column.read_value(row // how["row_group_size"], row % how["row_group_size"]) == values[row]


def written(path: str, values: list[bytes | None], how: dict[str, Any], *, nested: bool) -> None:
    held: Any = [None if v is None else {"bytes": v, "path": "p"} for v in values] if nested else values
    table = pa.table({"x": pa.array(held, PICTURE if nested else pa.binary())})
    pq.write_table(table, path, **how)


def test_encodings_that_are_not_known_are_left_to_pyarrow(tmp_path: Path) -> None:
    path = str(tmp_path / "file.parquet")
    table = pa.table({"x": pa.array([b"one", b"two"]), "y": [1, 2], "z": pa.array([[b"a"], [b"b"]])})
    encoding = {"x": "DELTA_BYTE_ARRAY", "y": "PLAIN", "z.list.element": "PLAIN"}
    pq.write_table(table, path, use_dictionary=False, column_encoding=encoding)
    parquet = pq.ParquetFile(path)
    with pytest.raises(NotPaged, match="encoding 7"):
        PictureColumn(pa.OSFile(path), parquet, "x", read_pages.make_page_cache()).read_value(0, 0)
    for name in ("y", "z.list.element", "w"):
        with pytest.raises(NotPaged):
            PictureColumn(pa.OSFile(path), parquet, name, read_pages.make_page_cache())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(4, 4000), st.sampled_from([0, 255, 128]))
def test_damaged_pages_raise_what_is_expected(
    tmp_path_factory: pytest.TempPathFactory, seed: int, at: int, byte: int
) -> None:
    """Never anything else than an error that `Rows` knows, or other bytes: pages have no checksum."""
    path = tmp_path_factory.mktemp("pages") / "file.parquet"
    rng = random.Random(seed)
    values = [rng.randbytes(40) for _ in range(60)]
    how: dict[str, Any] = {"row_group_size": 60, "compression": rng.choice(CODECS), "data_page_size": 500}
    written(str(path), values, how | {"use_dictionary": bool(seed % 2)}, nested=True)
    parquet = pq.ParquetFile(path)
    data = bytearray(path.read_bytes())
    data[at % (len(data) - 2000)] = byte
    path.write_bytes(data)
    column = PictureColumn(pa.OSFile(str(path)), parquet, "x.bytes", read_pages.make_page_cache())
    for row in range(60):
        try:
            found = column.read_value(0, row)
        except (ValueError, OSError, IndexError, struct.error, NotPaged, pa.ArrowException):
            continue
        assert found is None or isinstance(found, bytes)


def test_structs_of_thrift() -> None:
    nested = b"\x15\x04\x19\x25\x02\x04\x1c\x11\x00\x18\x03abc\x00"
    assert thrift.ThriftReader(nested).read_struct() == {1: 2, 2: [1, 2], 3: {1: True}, 4: b"abc"}
    assert thrift.ThriftReader(b"\x05\x50\x01\x00").read_struct() == {40: -1}
    for broken in (b"", b"\x15", b"\x18\x09ab", b"\x1c" * 40, b"\x1d\x00", b"\x16" + b"\xff" * 12):
        with pytest.raises(thrift.NotThrift):
            thrift.ThriftReader(broken).read_struct()


# Rows -------------------------------------------------------------------------------------------


@pytest.fixture
def sparse(make_dataset: Any) -> tuple[Path, Any]:
    """A dataset with pictures in its data, and the frames of some of its episodes."""
    root = make_dataset(
        cameras=("front",), image_features=("side",), frames=(5, 7, 4, 6), frames_per_data_file=9
    )
    with lecompose.open(root) as opened:
        return root, select_episodes(opened._catalog, opened._frames, [3, 1], None)


def test_items_follow_the_episodes(sparse: tuple[Path, Any]) -> None:
    root, chosen = sparse
    assert (len(chosen), chosen.frames, chosen.numbers) == (2, 13, [3, 1])
    rows = RowReader(chosen.schema, chosen.shapes, 2**28, chosen.stamps)
    stored = pq.read_table(root / "data").to_pylist()
    for item, (number, frame) in enumerate([(3, n) for n in range(6)] + [(1, n) for n in range(7)]):
        episode, found = chosen.at(item)
        assert (episode.number, episode.source, found) == (number, 0, frame)
        (wanted,) = (r for r in stored if (r["episode_index"], r["frame_index"]) == (number, frame))
        row = rows.at(episode, frame)
        assert row.cell("action").tolist() == wanted["action"]
        assert row.cell("observation.images.side") == wanted["observation.images.side"]["bytes"]
        assert chosen.task(episode, row.cell("task_index")) == "pick the cup"
        path, start = chosen.clip(episode, "observation.images.front")
        assert path.is_file()
        assert start == pytest.approx([0, 5, 12, 16][number] / 30)


def test_a_row_that_is_another_one(sparse: tuple[Path, Any]) -> None:
    _, chosen = sparse
    rows = RowReader(chosen.schema, chosen.shapes, 2**28, chosen.stamps)
    episode, _ = chosen.at(0)
    with pytest.raises(SourceBroken, match="episode 2, frame 0: its row is of episode 3, frame 0"):
        rows.at(SelectedEpisode(**{**vars(episode), "number": 2}), 0)
    with pytest.raises(SourceBroken, match="rows, row 99 is needed"):
        rows.at(SelectedEpisode(**{**vars(episode), "row_from": 99}), 0)


def test_a_large_row_group_is_held_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lecompose.training import read_rows as module

    monkeypatch.setattr(module, "_PART_BYTES", 1000)
    path, count = str(tmp_path / "file.parquet"), 500
    columns = {"episode_index": [4] * count, "frame_index": list(range(count)), "x": np.arange(count) / 7}
    pq.write_table(pa.table(columns), path)
    schema = pa.schema([("episode_index", pa.int64()), ("frame_index", pa.int64()), ("x", pa.float64())])
    rows = RowReader(schema, [(1,)] * 3, 100, stamp_files([path]))
    episode = SelectedEpisode(0, 0, 4, count, path, 0)
    for frame in (499, 0, 250, 251, 7):
        row = rows.at(episode, frame)
        assert row.cell("x") == frame / 7
        assert len(row.part.columns["x"]) < 100


def test_pictures_that_cannot_be_had_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "file.parquet")
    held = pa.array([{"bytes": b"one", "path": None}, None, {"bytes": b"two", "path": None}], PICTURE)
    table = pa.table({"episode_index": [0, 0, 0], "frame_index": [0, 1, 2], "side": held})
    encoding = {"side.bytes": "DELTA_BYTE_ARRAY"}
    pq.write_table(table, path, use_dictionary=False, column_encoding=encoding)
    rows = RowReader(table.schema, [(1,), (1,), (4, 6, 3)], 2**20, stamp_files([path]))
    found = [rows.at(SelectedEpisode(0, 0, 0, 3, path, 0), frame).cell("side") for frame in range(3)]
    assert found == [b"one", None, b"two"]


def test_files_that_are_others_now(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    files = stamp_files([str(path), str(path)])
    files.refuse_changed(str(path))
    path.with_suffix(".new").write_bytes(b"two")
    path.with_suffix(".new").replace(path)
    with pytest.raises(SourceBroken, match="changed since it was opened"):
        files.refuse_changed(str(path))
    path.unlink()
    with pytest.raises(SourceBroken, match="it is missing"):
        files.refuse_changed(str(path))
    with pytest.raises(SourceBroken, match=r"files are missing"):
        stamp_files([str(path)])


# What a process holds ---------------------------------------------------------------------------


def test_what_was_used_last_is_held() -> None:
    made: list[int] = []
    recent = LruCache[int, int](lambda n: made.append(n) or n, 10, lambda n: n)
    assert [recent[n] for n in (4, 5, 4, 3, 5)] == [4, 5, 4, 3, 5]
    assert made == [4, 5, 3, 5]  # 3 had no room beside 4 and 5, and 5 had waited longest
    assert recent[50] == 50  # one at least
    assert recent[50] == 50
    assert made == [4, 5, 3, 5, 50]


def test_each_process_makes_its_own() -> None:
    own = PerProcess(partial(bytearray, 3))
    held = own.get()
    assert own.get() is held
    assert pickle.loads(pickle.dumps(own)).get() is not held
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, b"same" if own.get() is held else b"other")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 9) == b"other"
