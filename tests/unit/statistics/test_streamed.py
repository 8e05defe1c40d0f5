"""Statistics of more numbers than are held: the same as of all of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecompose import statistics
from lecompose.concurrency import Workers
from lecompose.engine import open_engine
from lecompose.formats import Feature
from lecompose.statistics import FileRows, measure_vectors, row_groups, streamed
from lecompose.statistics.streaming_quantiles import StreamingQuantiles
from lecompose.statistics.summarise_numbers import summarise

LEVELS = {"q01": 0.01, "q50": 0.5, "q99": 0.99}
ORDERS = ["drawn", "ascending", "in steps"]


def ranked(
    batches: Sequence[np.ndarray], most: int, levels: Sequence[float] = (0.01, 0.5, 0.99)
) -> StreamingQuantiles:
    found = StreamingQuantiles(levels, batches[0].dtype, most)
    for batch in batches:
        found.add(np.sort(batch))
    return found


@given(
    st.lists(st.lists(st.integers(-5, 5) | st.integers(-1000, 1000), max_size=30), min_size=1, max_size=20),
    st.integers(1, 60),
)
def test_a_rank_is_right_or_not_known(batches: list[list[int]], most: int) -> None:
    found = ranked([np.array(batch, np.int64) for batch in batches], most)
    every = sorted(n for batch in batches for n in batch)
    assert found.count == len(every)
    for rank, number in enumerate(every):
        assert found.at(rank) in (None, number)
    for rank in range(0, len(every), 7):
        again = found.prepare_second_pass([rank])
        for batch in batches:
            again.add(np.sort(np.array(batch, np.int64)))
        assert again.at(rank) == every[rank]


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_near_a_quantile_is_held(order: str) -> None:
    random = np.random.default_rng(3)
    numbers = random.normal(0, 1, 200_000).astype(np.float32)
    if order == "in steps":
        numbers = np.round(numbers, 1)
    batches = np.array_split(numbers, 100)
    found = ranked(batches, 20_000)
    every = np.sort(numbers)
    for level in (0.01, 0.5, 0.99):
        rank = int(level * (len(every) - 1))
        assert found.at(rank) == every[rank]
    if order != "in steps":
        assert found.at(len(every) // 4) is None
        again = found.prepare_second_pass([len(every) // 4])
        for batch in batches:
            again.add(np.sort(batch))
        assert again.at(len(every) // 4) == every[len(every) // 4]
        assert sum(window.held for window in again._windows) < 10_000
        assert sum(window.held for window in found._windows) <= 20_000


def test_few_values_that_come_often_are_all_held() -> None:
    found = ranked([np.arange(100, dtype=np.float32).repeat(50)] * 40, 250)
    assert [found.at(rank) for rank in (0, 2000, 199_999)] == [0, 1, 99]


@pytest.fixture
def workers(tmp_path: Path) -> Workers:
    return open_engine(scratch=tmp_path, threads=2).workers()


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_vectors, "_ROOM_BYTES", 1000)
    monkeypatch.setattr(streamed, "_ROOM_BYTES", 100_000)
    monkeypatch.setattr(row_groups, "_BATCH_BYTES", 2000)


STATE = Feature("state", "float32", (3,), {"dtype": "float32", "shape": (3,)})


def written(path: Path, numbers: np.ndarray) -> FileRows:
    pq.write_table(pa.table({"state": list(numbers)}), path, row_group_size=50)
    return FileRows(path, ((0, len(numbers)),))


def drawn(order: str) -> np.ndarray:
    numbers = np.random.default_rng(7).normal(100, 1, (30_000, 3)).astype(np.float32)
    return {"drawn": numbers, "ascending": np.sort(numbers, axis=0), "in steps": np.round(numbers)}[order]


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("order", ORDERS)
def test_files_of_many_numbers(order: str, workers: Workers, tmp_path: Path) -> None:
    numbers = drawn(order)
    halves = np.array_split(numbers, 2)
    files = [written(tmp_path / f"{n}.parquet", half) for n, half in enumerate(halves)]
    found = streamed.stream_statistics(workers, files, [STATE], LEVELS)
    # Bunches are read in an order that shows even what rises what it will come to.
    assert found.keys() == {"state"}
    assert_right(found["state"].whole, numbers)


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("room", [100, 3000])
def test_what_was_not_held_is_read_again(
    room: int, order: str, workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "_ROOM_BYTES", room)
    numbers = drawn(order)
    found = streamed.stream_statistics(workers, [written(tmp_path / "0.parquet", numbers)], [STATE], LEVELS)
    assert_right(found["state"].whole, numbers)


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(odd: float, workers: Workers, tmp_path: Path) -> None:
    numbers = drawn("drawn")
    numbers[12_345, 1] = odd
    found = streamed.stream_statistics(workers, [written(tmp_path / "0.parquet", numbers)], [STATE], LEVELS)
    assert_right(found["state"].whole, numbers)


@pytest.mark.usefixtures("little_room")
def test_rows_without_a_value_are_gathered(workers: Workers, tmp_path: Path) -> None:
    rows = [*drawn("drawn")[:2000].tolist(), None]
    pq.write_table(pa.table({"state": pa.array(rows, pa.list_(pa.float32()))}), tmp_path / "0.parquet")
    files = [FileRows(tmp_path / "0.parquet", ((0, 2001),))]
    assert streamed.stream_statistics(workers, files, [STATE], LEVELS) == {}
    found = statistics.measure_numbers(workers, files, [STATE], quantiles=LEVELS)["state"]
    assert found.counts == [2000]
    assert_right(found.whole, drawn("drawn")[:2000])


def assert_right(whole: dict[str, np.ndarray], numbers: np.ndarray) -> None:
    assert whole["count"].tolist() == [len(numbers)]
    right = summarise(np.ascontiguousarray(numbers.T), LEVELS)
    for stat, values in right.items():
        if stat in ("mean", "std"):
            np.testing.assert_allclose(whole[stat], values, rtol=1e-12, atol=1e-12)
        else:
            np.testing.assert_array_equal(whole[stat], values)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_numbering_follows_from_lengths(lengths: list[int]) -> None:
    found = statistics.measure_bookkeeping(lengths, LEVELS, by_episode={"frame_index"})
    frames = np.concatenate([np.arange(n) for n in lengths])
    every = {
        "index": np.arange(sum(lengths)),
        "episode_index": np.repeat(np.arange(len(lengths)), lengths),
        "frame_index": frames,
    }
    for name, numbers in every.items():
        assert_right(found[name].whole, numbers[:, None])
    assert found["index"].episodes is found["episode_index"].episodes is None
    for n, length in enumerate(lengths):
        own = {stat: values[n] for stat, values in (found["frame_index"].episodes or {}).items()}
        assert_right(own | {"count": np.array([length])}, np.arange(length)[:, None])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 40)), min_size=1, max_size=12))
def test_constants_follow_from_lengths(episodes: list[tuple[int, int]]) -> None:
    values, lengths = [v for v, _ in episodes], [n for _, n in episodes]
    found = statistics.measure_constants(values, lengths, LEVELS)
    assert_right(found.whole, np.repeat(values, lengths)[:, None])
    for n, (value, length) in enumerate(episodes):
        own = {stat: numbers[n] for stat, numbers in (found.episodes or {}).items()}
        assert_right(own | {"count": np.array([length])}, np.full((length, 1), value))
