"""Jobs on threads: all of them, in order, or the first error and no more work than need be."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lecompose.ahead import Ahead
from lecompose.catalog import Catalog
from lecompose.catalog.custom import Custom
from lecompose.engine import Engine
from lecompose.layout import Layout
from lecompose.run import Run, Silent
from lecompose.staging import Staging


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    engine = Engine(scratch=tmp_path, threads=2)
    layout = Layout(Catalog(engine, (), Custom((), 0)), None, None, (), {}, ())  # type: ignore[arg-type]
    staging, carried = Staging(tmp_path, None, []), Ahead[Any]((), most=1)
    yield Run(layout, {}, {}, tmp_path, Silent(), "lecompose merge", staging, carried)
    carried.stop()
    engine.close()


def test_results_come_in_the_order_of_the_items(run: Run) -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n == 0 else 0)
        return n * n

    assert run.each([0, 1, 2, 3], slow_first) == [0, 1, 4, 9]


def test_nothing_to_do(run: Run) -> None:
    assert run.each([], str) == []


def test_an_error_ends_the_jobs_under_way_and_begins_no_other(run: Run) -> None:
    begun: list[int] = []
    both = threading.Barrier(2, timeout=10)

    def work(n: int) -> None:
        begun.append(n)
        if n == 1:
            both.wait()
            raise ValueError("no")
        both.wait()
        while True:  # until it is told to stop
            run.advance(1)
            time.sleep(0.001)

    with pytest.raises(ValueError, match="no"):
        run.each(range(100), work)
    assert sorted(begun) == [0, 1]


def test_an_error_ends_the_queries_of_other_jobs(run: Run) -> None:
    """A statement that would run for hours, on another thread than the error."""

    def work(n: int) -> None:
        if n == 1:
            time.sleep(0.3)
            raise ValueError("no")
        sql = "query/select"
        with run.engine.stream(sql, batch_rows=1, sql="select count(*) from range(1000000000000)") as reader:
            next(reader)

    start = time.monotonic()
    with pytest.raises(ValueError, match="no"):
        run.each([0, 1], work)
    assert time.monotonic() - start < 30
    assert run.engine.rows("query/select", sql="select 1 as one") == [{"one": 1}]
