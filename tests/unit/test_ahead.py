"""Things read ahead: all of them, in order, never too many, and none once nobody wants them."""

import threading
from collections.abc import Iterator

import pytest

from lecompose.ahead import Ahead


def test_all_items_come_in_their_order() -> None:
    assert list(Ahead(range(100), most=3)) == list(range(100))


def test_nothing_comes_of_nothing() -> None:
    assert list(Ahead((), most=1)) == []


def test_an_error_comes_behind_what_was_read_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    found = iter(Ahead(broken(), most=2))
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

    ahead = Ahead(items(), most=2)
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

    ahead = Ahead(endless(), most=1)
    ahead.stop()
    assert ended.wait(10)
