"""Shares of a list: together they are the list, no two have a task in common, and they are of one size."""

import pytest

from lecompose.composition.runners.job_list import CHECK, Task, parse_shard
from lecompose.errors import RequestError


def tasks(count: int, kind: str = "data file") -> list[Task]:
    return [Task(n, kind, "out", f"{n}.parquet", (n * 7919) % 1000 + 1, ()) for n in range(count)]


@pytest.mark.parametrize("shares", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("count", [0, 1, 5, 200])
def test_shares_are_the_list(count: int, shares: int) -> None:
    every = tasks(count)
    chosen = [parse_shard(f"{n}/{shares}").choose(every) for n in range(1, shares + 1)]
    assert sorted(task.number for share in chosen for task in share) == list(range(count))
    sizes = [len(share) for share in chosen]
    assert max(sizes) - min(sizes) <= 1


def test_shares_are_of_about_one_size() -> None:
    every = tasks(200)
    sums = [sum(t.size_bytes for t in parse_shard(f"{n}/8").choose(every)) for n in range(1, 9)]
    assert max(sums) - min(sums) <= max(task.size_bytes for task in every)


def test_the_large_ones_come_first() -> None:
    sizes = [task.size_bytes for task in parse_shard("1/2").choose(tasks(50))]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("said", ["", "/", "1/", "/2", "0/2", "3/2", "1.5/2", "-1/2", "1/2/3", "one/two"])
def test_no_share(said: str) -> None:
    expected = "1/2 to 2/2 is needed" if said.endswith("/2") else "1/64 to 64/64"
    with pytest.raises(RequestError, match=expected):
        parse_shard(said)


def test_titles_name_the_file() -> None:
    assert tasks(1)[0].title == "job 0 (data file out/0.parquet)"
    assert not Task(1, CHECK, "out", "0.parquet", 1, (0,)).writes_output
    assert Task(2, "encode clip", None, None, 1, ()).title == "job 2 (encode clip)"
