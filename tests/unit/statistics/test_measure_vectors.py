"""Measuring is exact whatever the files, the memory and the gaps."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lecompose import statistics
from lecompose.concurrency import Workers
from lecompose.engine import open_engine
from lecompose.errors import SourceBroken
from lecompose.formats import Feature, feature
from lecompose.statistics import FileRows, measure_vectors, row_groups

LEVELS = {"q05": 0.05, "q50": 0.5}
LENGTHS = (40, 1, 60, 9)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    engine = open_engine(scratch=tmp_path, threads=2)
    yield engine.workers()
    engine.close()


def named(name: str, dtype: str, *shape: int) -> Feature:
    return feature(name, {"dtype": dtype, "shape": shape})


def expected(rows: np.ndarray) -> dict[str, np.ndarray]:
    quantiles = np.quantile(rows, list(LEVELS.values()), axis=0, method="linear")
    plain = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    return plain | dict(zip(LEVELS, quantiles, strict=True))


def assert_close(found: dict[str, np.ndarray], rows: np.ndarray) -> None:
    for stat, values in expected(rows.astype(np.float64)).items():
        np.testing.assert_allclose(found[stat], values, rtol=1e-9, atol=1e-12, err_msg=stat)


def written(path: Path, columns: dict[str, Any], row_group_size: int = 7) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def cut(lengths: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    ends = np.cumsum((0, *lengths)).tolist()
    return tuple(pairwise(ends))


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "state": random.normal(2048, 1, (110, 5)).astype(np.float32),
        "count": random.integers(0, 9, (110, 1)),
        "grid": random.normal(180, 0.5, (110, 6)).astype(np.float32),
    }


FEATURES = [named("state", "float32", 5), named("count", "int64", 1), named("grid", "float32", 2, 3)]


def files(tmp_path: Path, columns: dict[str, np.ndarray]) -> list[FileRows]:
    """Two files: 41 rows and the rest; the grid as lists of lists."""
    found = []
    for n, (rows, lengths) in enumerate(((slice(0, 41), LENGTHS[:2]), (slice(41, 110), LENGTHS[2:]))):
        held = {
            "state": list(columns["state"][rows]),
            "count": columns["count"][rows, 0],
            "grid": columns["grid"][rows].reshape(-1, 2, 3).tolist(),
        }
        found.append(FileRows(written(tmp_path / f"{n}.parquet", held), cut(lengths)))
    return found


@pytest.mark.parametrize("room", [1, 1000, 2**28])
@pytest.mark.parametrize("bunch", [1, 500, 2**22])
def test_any_memory_gives_the_same(
    room: int, bunch: int, workers: Workers, columns: dict[str, np.ndarray], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(measure_vectors, "_ROOM_BYTES", room)
    monkeypatch.setattr(row_groups, "_BATCH_BYTES", bunch)
    found = statistics.measure_numbers(
        workers, files(tmp_path, columns), FEATURES, quantiles=LEVELS, by_episode={"state", "grid"}
    )
    for name, rows in columns.items():
        rows = rows.reshape(110, -1, {"grid": 3, "state": 5, "count": 1}[name])
        assert_close(found[name].whole, rows.reshape(-1, rows.shape[-1]))
        assert found[name].whole["count"].tolist() == [110]
        if name == "count":
            assert found[name].episodes is None
            continue
        for n, (start, end) in enumerate(cut(LENGTHS)):
            episode = {stat: values[n] for stat, values in (found[name].episodes or {}).items()}
            assert_close(episode, rows[start:end].reshape(-1, rows.shape[-1]))


def test_little_room_takes_more_passes(
    workers: Workers, columns: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = files(tmp_path, columns)
    once = statistics.estimate_numbers_bytes(workers, sources, FEATURES)
    assert once == sum(f.path.stat().st_size for f in sources)
    # A dimension of the state is 440 bytes, the others 880: 2, 2, 1, and 4 times 1 at a time.
    monkeypatch.setattr(measure_vectors, "_ROOM_BYTES", 1000)
    names = {feature.name for feature in FEATURES}
    assert statistics.estimate_numbers_bytes(workers, sources, FEATURES, by_episode=names) == 7 * once
    # What is not asked for by episode is read along once.
    assert statistics.estimate_numbers_bytes(workers, sources, FEATURES) == once
    assert statistics.estimate_numbers_bytes(workers, sources, FEATURES, by_episode={"state"}) == 4 * once


def test_only_the_rows_of_episodes_count(
    workers: Workers, columns: dict[str, np.ndarray], tmp_path: Path
) -> None:
    held = {"state": list(columns["state"])}
    path = written(tmp_path / "a.parquet", held)
    file = FileRows(path, ((3, 10), (10, 12), (60, 110)))
    found = statistics.measure_numbers(workers, [file], FEATURES[:1], quantiles=LEVELS, by_episode={"state"})[
        "state"
    ]
    state = columns["state"]
    assert_close(found.whole, np.concatenate([state[3:12], state[60:]]))
    assert found.episodes is not None
    assert_close({s: v[2] for s, v in found.episodes.items()}, state[60:])


def test_nulls_are_left_out(workers: Workers, tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.parquet",
        {
            "one": pa.array([1, None, 3, 4, None, None], pa.int64()),
            "two": pa.array([[1, 2], None, [3, None], [5, 6], None, None], pa.list_(pa.float32())),
            "none": pa.array([None] * 6, pa.float32()),
        },
        row_group_size=2,
    )
    features = [named("one", "int64", 1), named("two", "float32", 2), named("none", "float32", 1)]
    found = statistics.measure_numbers(
        workers, [FileRows(path, ((0, 4), (4, 6)))], features, quantiles=LEVELS, by_episode={"one", "two"}
    )
    assert_close(found["one"].whole, np.array([[1], [3], [4]]))
    assert_close(found["two"].whole, np.array([[1, 2], [5, 6]]))
    assert np.isnan(found["none"].whole["mean"]).all()
    assert {name: measured.counts for name, measured in found.items()} == {
        "one": [3, 0], "two": [2, 0], "none": [0, 0],
    }  # fmt: skip
    assert [found[name].whole["count"].tolist() for name in ("one", "two", "none")] == [[3], [2], [0]]
    for name in ("one", "two"):
        by_episode = found[name].episodes or {}
        np.testing.assert_array_equal(by_episode["max"][0], found[name].whole["max"])
        assert np.isnan(by_episode["max"][1]).all()


def test_a_frame_counts_that_has_all_its_numbers(workers: Workers, tmp_path: Path) -> None:
    rows = [[[1, 2], [3, 4]], [[5, None], [7, 8]], None, [[9, 10], [11, 12]]]
    path = written(tmp_path / "a.parquet", {"grid": pa.array(rows, pa.list_(pa.list_(pa.int16())))})
    grid = named("grid", "int16", 2, 2)
    file = FileRows(path, ((0, 1), (1, 3), (3, 4)))
    found = statistics.measure_numbers(workers, [file], [grid], quantiles=LEVELS, by_episode={"grid"})["grid"]
    assert found.counts == [1, 0, 1]
    assert_close(found.whole, np.array([[1, 2], [3, 4], [7, 8], [9, 10], [11, 12]]))
    assert found.episodes is not None
    assert found.episodes["max"].tolist() == [[3, 4], [7, 8], [11, 12]]


@pytest.mark.parametrize(
    "cells", [[[1.0, 2.0], [3.0]], ["a", "b"], [[1.0], [2.0]]], ids=["ragged", "text", "short"]
)
def test_a_column_that_is_not_as_declared_is_named(cells: Any, workers: Workers, tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", {"state": cells})
    for name in ("state", "mood"):
        feature = named(name, "float32", 2)
        with pytest.raises(SourceBroken, match=rf'"{name}": its column is not float32 \[2\].*a\.parquet\)$'):
            statistics.measure_numbers(workers, [FileRows(path, ((0, 2),))], [feature], quantiles=LEVELS)


def test_a_file_that_is_none_is_named(workers: Workers, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(SourceBroken, match=r"truncated parquet file.*a\.parquet\)$"):
        statistics.measure_numbers(workers, [FileRows(path, ((0, 1),))], FEATURES[:1], quantiles=LEVELS)


@pytest.mark.parametrize(
    ("info", "first", "last"),
    [
        ({"depth_unit": "mm"}, 10.0, 10_000.0),
        ({"depth_unit": "m"}, 0.01, 10.0),
        ({"depth_unit": "m", "video.use_log": False, "video.depth_max": 4.0}, 0.01, 4.0),
    ],
)
def test_codes_of_depth_videos_stand_for_lengths(info: dict[str, Any], first: float, last: float) -> None:
    from lecompose.statistics import visual

    spec = {"dtype": "video", "shape": (4, 4, 1), "info": {"is_depth_map": True, **info}}
    values = visual._sample_values(feature("depth", spec))
    assert len(values) == 4096
    np.testing.assert_allclose(values[[0, -1]], [first, last])
    assert (np.diff(values) >= 0).all()
