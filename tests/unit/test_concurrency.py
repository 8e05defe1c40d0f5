"""Things read ahead: all of them, in order, never too many, and none once nobody wants them."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lecompose.concurrency import Prefetch, Workers, map_ahead
from lecompose.engine import Engine, open_engine


def test_all_items_come_in_their_order() -> None:
    assert list(Prefetch(range(100), most=3)) == list(range(100))


def test_nothing_comes_of_nothing() -> None:
    assert list(Prefetch((), most=1)) == []


def test_an_error_comes_behind_what_was_read_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    found = iter(Prefetch(broken(), most=2))
    assert next(found) == 1
    with pytest.raises(ValueError, match="broken"):
        next(found)


def test_no_more_than_so_many_are_read_before_anybody_asks() -> None:
    begun, fourth = [], threading.Event()

    def items() -> Iterator[int]:
        for n in range(10):
            begun.append(n)
            if n == 3:
                fourth.set()
            yield n

    ahead = Prefetch(items(), most=2)
    # Two wait, and a third has nowhere to go.
    assert not fourth.wait(0.2)
    assert begun == [0, 1, 2]
    assert next(iter(ahead)) == 0
    assert fourth.wait(10)
    ahead.stop()


def test_a_stop_ends_it_and_what_it_goes_through() -> None:
    ended = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            ended.set()

    ahead = Prefetch(endless(), most=1)
    ahead.stop()
    assert ended.wait(10)


# Workers ----------------------------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(scratch=tmp_path, threads=2)
    yield engine
    engine.close()


@pytest.fixture
def workers(tmp_path: Path) -> Workers:
    return Workers(2, 2**20, tmp_path)


def test_results_come_in_the_order_of_the_items(workers: Workers) -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n == 0 else 0)
        return n * n

    assert workers.each([0, 1, 2, 3], slow_first) == [0, 1, 4, 9]


def test_nothing_to_do(workers: Workers) -> None:
    assert workers.each([], str) == []


def test_an_error_ends_the_jobs_under_way_and_begins_no_other(workers: Workers) -> None:
    begun: list[int] = []
    both = threading.Barrier(2, timeout=10)

    def work(n: int) -> None:
        begun.append(n)
        if n == 1:
            both.wait()
            raise ValueError("no")
        both.wait()
        while True:  # until it is told to stop
            workers.advance(1)
            time.sleep(0.001)

    with pytest.raises(ValueError, match="no"):
        workers.each(range(100), work)
    assert sorted(begun) == [0, 1]


def test_an_error_ends_the_queries_of_other_jobs(engine: Engine) -> None:
    """A statement that would run for minutes, on another thread than the error."""

    def work(n: int) -> None:
        if n == 1:
            time.sleep(0.3)
            raise ValueError("no")
        sql = "query/select"
        with engine.stream(sql, batch_rows=1, sql="select count(*) from range(1000000000000)") as reader:
            next(reader)

    start = time.monotonic()
    with pytest.raises(ValueError, match="no"):
        engine.workers().each([0, 1], work)
    assert time.monotonic() - start < 30
    assert engine.value("query/select", sql="select 1 as one") == 1


def test_ahead_in_order_and_nothing_more_once_one_fails() -> None:
    """Items are asked for no further ahead than there are threads; of those that wait none begins."""
    asked: list[int] = []

    def items() -> Iterator[int]:
        for n in range(100):
            asked.append(n)
            yield n

    found = map_ahead(lambda n: 10 // (3 - n), items(), threads=2)
    assert [next(found), next(found)] == [3, 5]
    assert len(asked) <= 4
    assert next(found) == 10
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert len(asked) <= 6
