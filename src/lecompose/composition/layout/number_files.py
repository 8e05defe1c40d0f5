"""Which file of an output each item lands in: a walk along the items, decided before anything is written."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from lecompose.errors import RequestError
from lecompose.formats import MAX_INDEX

T = TypeVar("T")

MIB = 2**20
NO_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class Item:
    """What cannot be parted into two files. With `must_break` it may not stand behind the one before it."""

    size_bytes: int
    frames: int
    must_break: bool = False


def number_files(
    items: Iterable[Item], *, limit_bytes: int = NO_LIMIT, limit_frames: int = NO_LIMIT
) -> Iterator[int]:
    """Yield the number of each item's file.

    A file is closed before the item that would bring it to `limit_bytes` or past `limit_frames`, or that must
    not stand in it; an item over a limit has a file to itself.
    """
    number, size_bytes, frames, is_empty = 0, 0, 0, True
    for item in items:
        is_full = size_bytes + item.size_bytes >= limit_bytes or frames + item.frames > limit_frames
        if not is_empty and (item.must_break or is_full):
            number, size_bytes, frames = number + 1, 0, 0
        yield number
        size_bytes, frames, is_empty = size_bytes + item.size_bytes, frames + item.frames, False


def split_runs(things: Iterable[T], begins: Callable[[T], bool]) -> Iterator[list[T]]:
    """Yield the things in runs: a new one where something `begins`, and at the first."""
    run: list[T] = []
    for thing in things:
        if run and begins(thing):
            yield run
            run = []
        run.append(thing)
    if run:
        yield run


def keep_whole(
    runs: Iterable[list[list[T]]], is_whole: Callable[[list[T]], bool]
) -> tuple[list[list[T]], list[bool]]:
    """Return the items of runs, those of a run that is a whole file as one; and which begin a file for that.

    A whole file stands alone: it begins a file, and so does what comes behind it.
    """
    items: list[list[T]] = []
    whole: list[bool] = []
    for run in runs:
        together = [part for item in run for part in item]
        is_one = is_whole(together)
        items += [together] if is_one else run
        whole += [True] if is_one else [False] * len(run)
    return items, [before or is_one for before, is_one in pairwise([False, *whole])]


def refuse_too_many_files(chunks: Iterable[int], *, chunk_files: int) -> None:
    """Refuse more files, or more chunk folders, than readers put in order; `chunks` are those in use.

    Raises:
        RequestError: if they are.
    """
    if chunk_files > MAX_INDEX:
        raise RequestError(
            f"--chunk-files {chunk_files}: readers order file-1000 before file-101", hint="1000"
        )
    worst = max(chunks, default=-1) + 1
    if worst > MAX_INDEX:
        raise RequestError(
            f"the output would need {worst} chunk folders, and readers order chunk-1000 before chunk-101",
            hint="larger --data-mb, --video-mb or --chunk-files",
        )
