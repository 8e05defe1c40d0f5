"""Which files of a camera are exchanged, told by their numbers of frames."""

from pathlib import Path

import pytest

from lecompose.dataset.exchanged_files import assign_files, find_exchanged


def files(*counts: int | None) -> dict[Path, int]:
    return {Path(f"{n}.mp4"): count for n, count in enumerate(counts) if count is not None}


@pytest.mark.parametrize(
    ("taken", "frames", "exchanged"),
    [
        ((11, 7), (11, 7), ""),
        ((11, 7), (7, 11), "01"),
        ((11, 7, 4), (7, 4, 11), "012"),
        ((11, 7, 4), (7, 11, 9), "01"),
        ((11, 7, 4), (7, 4, 9), ""),
        ((11, 7), (7, None), ""),
        ((11, 7), (11, 9), ""),
        ((7, 7), (7, 7), ""),
    ],
    ids=["sound", "two", "three", "two beside surplus", "no circle", "one unreadable", "surplus", "alike"],
)
def test_files_that_have_frames_of_each_other(
    taken: tuple[int, ...], frames: tuple[int | None, ...], exchanged: str
) -> None:
    assert find_exchanged(files(*taken), files(*frames)) == {Path(f"{n}.mp4") for n in exchanged}


@pytest.mark.parametrize(
    ("taken", "frames", "owners"),
    [
        ((11, 7), (7, 11), (1, 0)),
        ((11, 7, 7), (7, 11, 7), (1, None)),
        ((11, 7, 4), (7, 11, 9), (None, None)),
        ((11, 7, 4), (7, 11, None), (None, None)),
    ],
    ids=["one way", "two of seven frames", "another surplus", "another unreadable"],
)
def test_a_file_is_given_only_where_one_way_fits(
    taken: tuple[int, ...], frames: tuple[int | None, ...], owners: tuple[int | None, ...]
) -> None:
    held = assign_files(files(*taken), files(*frames), files(0, 0))
    assert held == {Path(f"{n}.mp4"): None if o is None else Path(f"{o}.mp4") for n, o in enumerate(owners)}
