"""How the rows of a data file are fetched: neighbours at once, runs of whole files by one query."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from lecompose.composition.jobs import EpisodeRows
from lecompose.composition.stages.data.decode_rows import Read, _plan_reads
from lecompose.composition.stages.data.number_rows import RowNumbers


def rows(source: str, episode: int, file: str, span: tuple[int, int], of: int) -> EpisodeRows:
    length = span[1] - span[0]
    return EpisodeRows(
        out_episode=0, from_index=0, length=length, src_dataset=source, src_episode=episode,
        from_frame=0, src_length=length, is_whole=True,
        data_file=file, row_from=span[0], row_to=span[1], data_file_rows=of, size_bytes=1, only_task=None,
    )  # fmt: skip


def reads(*episodes: EpisodeRows) -> list[Read]:
    job: Any = SimpleNamespace(episodes=episodes)
    return list(_plan_reads(job))


def test_neighbours_are_one_read() -> None:
    found = reads(
        rows("a", 3, "/0", (5, 9), of=20),
        rows("a", 4, "/0", (9, 12), of=20),
        rows("a", 6, "/0", (15, 20), of=20),
        rows("a", 3, "/0", (5, 9), of=20),
    )
    assert found == [
        Read("a", False, ["/0"], 3, 4),
        Read("a", False, ["/0"], 6, 6),
        Read("a", False, ["/0"], 3, 3),
    ]


def test_runs_of_whole_files_are_one_read_of_one_source() -> None:
    found = reads(
        rows("a", 1, "/a/1", (0, 3), of=3),
        rows("a", 0, "/a/0", (0, 4), of=4),
        rows("b", 0, "/b/0", (0, 2), of=5),
        rows("b", 1, "/b/0", (2, 5), of=5),
        rows("b", 2, "/b/1", (0, 4), of=9),
    )
    assert found == [
        Read("a", True, ["/a/1", "/a/0"], 0, 1),
        Read("b", True, ["/b/0"], 0, 1),
        Read("b", False, ["/b/1"], 2, 2),
    ]


def test_frames_of_pieces_are_counted_in_the_source() -> None:
    whole = rows("a", 0, "/0", (0, 4), of=20)
    part = replace(rows("a", 1, "/0", (9, 12), of=20), from_frame=5, is_whole=False)
    thinned = replace(part, src_dataset="b", from_frame=3, length=2, src_length=3)
    strides = {
        name: SimpleNamespace(resampling=SimpleNamespace(stride=n)) for name, n in (("a", 1), ("b", 2))
    }
    job: Any = SimpleNamespace(episodes=(whole, part, thinned), sources=strides)
    numbers = RowNumbers(job)
    frames = [(place, list(span)) for place, span in numbers.src_frames(0, 9)]
    assert frames == [(0, [0, 1, 2, 3]), (1, [5, 6, 7]), (2, [3, 5])]
    assert [(place, list(span)) for place, span in numbers.src_frames(5, 8)] == [(1, [6, 7]), (2, [3])]
