"""Which file each item lands in: against a second account of it, and where the edges are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lecompose.composition.layout.number_files import Item, number_files, refuse_too_many_files
from lecompose.errors import RequestError

item = st.builds(Item, st.integers(1, 60), st.integers(1, 30), st.booleans())


@given(items=st.lists(item, max_size=30), limit_bytes=st.integers(1, 200), limit_frames=st.integers(1, 120))
def test_each_file_is_as_long_as_it_may_be(items: list[Item], limit_bytes: int, limit_frames: int) -> None:
    numbers = list(number_files(items, limit_bytes=limit_bytes, limit_frames=limit_frames))
    files = [[i for i, n in zip(items, numbers, strict=True) if n == number] for number in sorted({*numbers})]
    assert [i for file in files for i in file] == items
    assert sorted({*numbers}) == list(range(len(files)))

    def fits(file: list[Item]) -> bool:
        return sum(i.size_bytes for i in file) < limit_bytes and sum(i.frames for i in file) <= limit_frames

    for number, file in enumerate(files):
        assert len(file) == 1 or fits(file)
        assert not any(i.must_break for i in file[1:])
        if number + 1 < len(files):
            behind = files[number + 1][0]
            assert behind.must_break or not fits([*file, behind])


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([99, 1], [0, 1]),
        ([98, 1, 1], [0, 0, 1]),
        ([500, 1, 99], [0, 1, 2]),
        ([100, 100], [0, 1]),
        ([1] * 3, [0, 0, 0]),
        ([], []),
    ],
)
def test_a_file_stays_below_its_bytes(sizes: list[int], expected: list[int]) -> None:
    assert list(number_files([Item(size, 1) for size in sizes], limit_bytes=100)) == expected


def test_a_file_may_have_as_many_frames_as_the_limit_says() -> None:
    items = [Item(1, frames) for frames in (5, 5, 1, 11, 10)]
    assert list(number_files(items, limit_frames=10)) == [0, 0, 1, 2, 3]


def test_a_break_starts_the_count_again() -> None:
    items = [Item(40, 1, True), Item(40, 1, True), Item(40, 1), Item(40, 1)]
    assert list(number_files(items, limit_bytes=100)) == [0, 1, 1, 2]


def test_more_chunks_than_readers_put_in_order() -> None:
    refuse_too_many_files([0, 999], chunk_files=1000)
    with pytest.raises(RequestError, match="1001 chunk folders"):
        refuse_too_many_files([0, 1000], chunk_files=1)
    with pytest.raises(RequestError, match="--chunk-files 1001"):
        refuse_too_many_files([], chunk_files=1001)
