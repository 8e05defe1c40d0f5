"""Data files that are put together from encoded column chunks: the same rows as those that are decoded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.effort import Effort, every_nth, few
from support.independent import assert_merged

import lecompose
from lecompose.composition.stages.data import copy_row_groups

Record = Callable[..., Path]


def data_files(root: Path) -> list[Path]:
    return sorted(root.glob("data/*/*.parquet"))


def rows(root: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(path, partitioning=None) for path in data_files(root)])


def chunk(path: Path, group: int, leaf: int) -> bytes:
    """The stored bytes of a column chunk."""
    told = pq.read_metadata(path).row_group(group).column(leaf)
    start = told.dictionary_page_offset or told.data_page_offset
    return path.read_bytes()[start : start + told.total_compressed_size]


@every_nth(3)
@pytest.mark.parametrize("cameras", ["none", "image"])
@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_what_is_kept_is_kept_to_the_byte(
    version: str, cameras: str, recorded: Record, tmp_path: Path
) -> None:
    settings = {"cameras": (), "image_features": ("top",) if cameras == "image" else ()}
    one = recorded(version=version, frames=(5, 9), seed=1, **settings)
    two = recorded(version=version, frames=(4, 1, 6), seed=2, **settings)
    report = lecompose.merge([one, two], out=tmp_path / "out")
    (made,) = data_files(tmp_path / "out")
    sources = [(path, n) for root in (one, two) for path in data_files(root) for n in groups(path)]
    kept = 0
    for group, (path, number) in enumerate(sources):
        for leaf, name in enumerate(names(made)):
            if name not in ("index", "episode_index", "task_index"):
                stored = chunk(path, number, names(path).index(name))
                assert chunk(made, group, leaf) == stored
                kept += len(stored)
    assert report.bytes_spliced == kept
    assert report.bytes_encoded == made.stat().st_size - kept
    assert_merged(tmp_path / "out", [one, two])


def names(path: Path) -> list[str]:
    schema = pq.read_metadata(path).schema
    return [schema.column(n).path for n in range(len(schema))]


def groups(path: Path) -> range:
    return range(pq.read_metadata(path).num_row_groups)


SAME: dict[str, Callable[[pa.Table, Path], None]] = {
    "other pages": lambda table, path: pq.write_table(table, path, data_page_version="2.0"),
    "many pages": lambda table, path: pq.write_table(table, path, data_page_size=20, write_batch_size=2),
    "zstd": lambda table, path: pq.write_table(table, path, compression="zstd"),
    "not compressed": lambda table, path: pq.write_table(table, path, compression="none"),
    "no dictionary": lambda table, path: pq.write_table(table, path, use_dictionary=False),
    "streams": lambda table, path: pq.write_table(
        table, path, use_dictionary=False, column_encoding={"action.list.element": "BYTE_STREAM_SPLIT"}
    ),
    "page index": lambda table, path: pq.write_table(table, path, write_page_index=True),
}
ANEW: dict[str, Callable[[pa.Table, Path], None]] = {
    "lz4": lambda table, path: pq.write_table(table, path, compression="lz4"),
    "two row groups": lambda table, path: pq.write_table(table, path, row_group_size=3),
    "required columns": lambda table, path: pq.write_table(
        table.cast(pa.schema([f.with_nullable(False) for f in table.schema], table.schema.metadata)), path
    ),
}


@pytest.mark.parametrize("written", few([*SAME, *ANEW], kept=lambda n: n not in (0, 2, 3, 9)))
def test_other_writers(written: str, make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(version="v2.1", cameras=(), frames=(7, 5), seed=3)
    for path in data_files(root):
        (SAME | ANEW)[written](pq.read_table(path, partitioning=None), path)
    report = lecompose.merge([root], out=tmp_path / "out")
    assert (report.bytes_spliced > 0) == (written in SAME)
    if Effort.whole or written in ("streams", "two row groups"):
        lecompose.merge([root], out=tmp_path / "decoded", rewrite_data=True)
        assert rows(tmp_path / "out").equals(rows(tmp_path / "decoded"), check_metadata=True)
    assert_merged(tmp_path / "out", [root])


@every_nth(2)
@pytest.mark.parametrize(
    ("settings", "is_spliced"),
    [
        ({"row_groups": "packed"}, False),
        ({"rewrite_data": True}, False),
        ({"rename": {"action": "did"}}, True),
        ({"remove": ["action"]}, True),
        ({"cast": {"action": "float64"}}, False),
        ({"fps": 5}, False),
    ],
    ids=str,
)
def test_what_is_asked_for(
    settings: dict[str, Any], is_spliced: bool, recorded: Record, tmp_path: Path
) -> None:
    root = recorded(cameras=(), frames=(8, 6), fps=10, seed=5)
    report = lecompose.merge([root], out=tmp_path / "out", **settings)
    assert (report.bytes_spliced > 0) == is_spliced


def test_several_tasks_an_episode(recorded: Record, tmp_path: Path) -> None:
    def task_of(episode: int, frame: int) -> str:
        return "reach" if episode == 1 or frame % 3 else "grasp"

    root = recorded(cameras=(), frames=(6, 4, 5), task_of=task_of, seed=6)
    other = recorded(cameras=(), frames=(3,), seed=7)
    report = lecompose.merge([other, root], out=tmp_path / "out")
    assert report.bytes_spliced > 0
    assert_merged(tmp_path / "out", [other, root])


def test_pages_of_pictures_that_are_none(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset(cameras=(), image_features=("top",), frames=(6,), seed=8)
    (path,) = data_files(root)
    leaf = next(n for n, name in enumerate(names(path)) if name.endswith(".bytes"))
    told = pq.read_metadata(path).row_group(0).column(leaf)
    content = bytearray(path.read_bytes())
    start = told.dictionary_page_offset or told.data_page_offset
    content[start : start + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(
        lecompose.SourceBroken, match=rf"^data cannot be read, damaged pages\?.*{path.name}\)$"
    ):
        lecompose.merge([root], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_breaks_under_way_is_left_to_who_decodes(
    recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of tasks that was whole when the dataset was opened: the source's fault, not the output's."""
    root = recorded(cameras=(), frames=(6, 4), task_of=lambda _, frame: "ab"[frame % 2], seed=9)

    def broken(*_args: object, **_settings: object) -> pa.Table:
        raise OSError("Unexpected end of stream")

    monkeypatch.setattr(copy_row_groups.pq, "read_table", broken)
    report = lecompose.merge([root], out=tmp_path / "out")
    monkeypatch.undo()
    assert report.bytes_spliced == 0
    assert_merged(tmp_path / "out", [root])
