"""Where rows lie is the same whether pyarrow reads the files or DuckDB does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lecompose.concurrency import Stopped
from lecompose.dataset.catalog import placement
from lecompose.dataset.catalog.data_files import DataFile
from lecompose.dataset.catalog.placement import ReadOptions, place_rows
from lecompose.dataset.catalog.source import Source, read_source
from lecompose.engine import Engine, open_engine

FPS = 10.0
READING = ReadOptions(FPS, False, (*["int64"] * 4, "float"), many_row_groups=True)


def rows(*episodes: tuple[int, int, int], first: int = 0) -> dict[str, np.ndarray]:
    """The rows of some episodes: number, task, frames."""
    frame = np.concatenate([np.arange(frames) for _, _, frames in episodes])
    return {
        "episode_index": np.repeat([e for e, _, _ in episodes], [n for _, _, n in episodes]),
        "frame_index": frame,
        "index": np.arange(first, first + len(frame)),
        "task_index": np.repeat([t for _, t, _ in episodes], [n for _, _, n in episodes]),
        "timestamp": (frame / FPS).astype(np.float32),
    }


def changed(columns: dict[str, np.ndarray], name: str, at: int, value: float) -> dict[str, np.ndarray]:
    column = columns[name].copy()
    column[at] = value
    return columns | {name: column}


SOUND = rows((0, 0, 3), (1, 1, 5), (2, 0, 2))
INPUTS = {
    "sound": SOUND,
    "two tasks": rows((0, 0, 2), (0, 1, 2), (0, 0, 2), (1, 0, 1)),
    "an episode in two places": rows((0, 0, 2), (1, 0, 2), (0, 0, 2)),
    "frames out of order": changed(SOUND, "frame_index", 4, 2),
    "an index twice": changed(SOUND, "index", 4, 3),
    "off the grid": changed(SOUND, "timestamp", 5, 0.25),
    "no time at all": changed(SOUND, "timestamp", 5, np.nan),
    "time without end": changed(SOUND, "timestamp", 5, -np.inf),
    "numbers below 0": changed(SOUND, "frame_index", 0, -4),
    "shuffled": {name: column[::-1] for name, column in SOUND.items()},
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(scratch=tmp_path, threads=2)
    yield engine
    engine.close()


@pytest.fixture
def source(dataset_v30: Path) -> Source:
    return read_source(0, "a", "a", dataset_v30)


def write(path: Path, columns: dict[str, np.ndarray], group_rows: int = 3) -> DataFile:
    pq.write_table(pa.table(columns), path, row_group_size=group_rows)
    return DataFile(path, 1)


def place(engine: Engine, source: Source, files: list[DataFile], reading: ReadOptions) -> pa.Table:
    place_rows(engine, "placed", [(source, file) for file in files], reading)
    found = engine.read("placed", engine.columns_of("placed"))
    engine.drop("placed")
    return found


@pytest.mark.parametrize("batch_rows", [4, 1000])
def test_both_readers_find_the_same(
    engine: Engine, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(placement, "_BATCH_ROWS", batch_rows)
    files = [write(tmp_path / f"{n}.parquet", columns) for n, columns in enumerate(INPUTS.values())]
    for some in ([file] for file in files):
        by_duckdb = place(engine, source, some, replace(READING, many_row_groups=False))
        monkeypatch.setattr(Engine, "table", refuse_to_scan(Engine.table))
        found = place(engine, source, some, READING)
        monkeypatch.undo()
        monkeypatch.setattr(placement, "_BATCH_ROWS", batch_rows)
        assert repr(found.to_pylist()) == repr(by_duckdb.to_pylist()), some  # NaN is not NaN
    together = place(engine, source, files, READING)
    by_duckdb = place(engine, source, files, replace(READING, many_row_groups=False))
    assert repr(together.to_pylist()) == repr(by_duckdb.to_pylist())


def refuse_to_scan(table):  # type: ignore[no-untyped-def]
    def guarded(engine: Engine, relation: str, template: str, *more: object, **values: object) -> None:
        assert template != "catalog/rows_in_files"
        table(engine, relation, template, *more, **values)

    return guarded


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("frame_index", pa.array([0, None, 2])),
        ("task_index", pa.array([0, 0, 0], pa.int32())),
        ("index", pa.array([0, 1, 2**62])),
        ("timestamp", pa.array([0.0, 0.1, 0.2], pa.float64())),
    ],
)
def test_what_is_not_plain_is_left_to_duckdb(
    engine: Engine, source: Source, tmp_path: Path, name: str, values: pa.Array
) -> None:
    plain = write(tmp_path / "a.parquet", SOUND)
    odd = pa.table(rows((7, 0, 3)))
    pq.write_table(odd.set_column(odd.column_names.index(name), name, values), tmp_path / "b.parquet")
    files = [plain, DataFile(tmp_path / "b.parquet", 1)]
    found = place(engine, source, files, READING)
    by_duckdb = place(engine, source, files, replace(READING, many_row_groups=False))
    assert found.to_pylist() == by_duckdb.to_pylist()
    assert found["rows"].to_pylist() == [3, 5, 2, 3]


def test_nobody_reads_on_when_another_job_has_failed(engine: Engine, source: Source, tmp_path: Path) -> None:
    def check() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        place_rows(engine, "placed", [(source, write(tmp_path / "a.parquet", SOUND))], READING, check=check)
    assert not engine.has("placed")
