"""Pictures that data files name by path only: put into data files, or named where they are missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from broken.damage import DATA
from broken.entry import SETTINGS
from broken.pictures import FRONT, IMAGES, PATH, loose
from support.independent import read

import lecompose
from lecompose.files.picture_files import find_picture, read_picture

Make = Callable[..., Path]


def made(make_dataset: Make, version: str = "v3.0", **more: Any) -> Path:
    return make_dataset(version=version, **SETTINGS | IMAGES | more)


def cells(root: Path) -> list[dict[str, Any] | None]:
    return [cell for episode in read(root).episodes for cell in episode.rows[FRONT].to_pylist()]


def edit_cells(root: Path, change: Callable[[int, Any], Any]) -> None:
    """Other cells in the first data file; `change` is given the row and the cell."""
    path = sorted(root.glob(DATA))[0]
    table = pq.read_table(path, partitioning=None)
    at = table.schema.get_field_index(FRONT)
    held = [change(row, cell) for row, cell in enumerate(table[FRONT].to_pylist())]
    pq.write_table(
        table.set_column(at, table.schema.field(at), pa.array(held, table.schema.field(at).type)), path
    )


def test_pictures_are_put_into_data_files(make_dataset: Make, tmp_path: Path) -> None:
    root = made(make_dataset)
    wanted = cells(root)
    loose()(root)
    report = lecompose.merge(root, out=tmp_path / "out", row_groups="packed")
    assert cells(tmp_path / "out") == wanted
    assert any(FRONT in note and "18 pictures by path" in note for note in report.notes)
    assert lecompose.check(tmp_path / "out") == []


def test_some_are_in_the_data_file_and_some_are_null(make_dataset: Make, tmp_path: Path) -> None:
    """What is there stays as it is; a picture that is null, path and all, was never there."""
    root = made(make_dataset)
    wanted = cells(root)
    loose()(root)

    def change(row: int, cell: dict[str, Any]) -> Any:
        return {0: wanted[0], 1: None, 2: {"bytes": None, "path": None}}.get(row, cell)

    edit_cells(root, change)
    lecompose.merge(root, out=tmp_path / "out")
    made_cells = cells(tmp_path / "out")
    assert [made_cells[0], *made_cells[3:]] == [wanted[0], *wanted[3:]]
    assert not any(cell and (cell["bytes"] or cell["path"]) for cell in made_cells[1:3])


def test_one_source_of_two_has_them(make_dataset: Make, tmp_path: Path) -> None:
    sound, other = made(make_dataset), made(make_dataset, seed=3)
    wanted = [*cells(sound), *cells(other)]
    loose()(other)
    lecompose.merge([sound, other], out=tmp_path / "out")
    assert cells(tmp_path / "out") == wanted


def test_files_are_no_larger_than_asked_for(make_dataset: Make, tmp_path: Path) -> None:
    """The pictures count, not the paths: for the size of files, of batches, and for room on the disk."""
    root = made(make_dataset)
    loose()(root)
    size_bytes = sum(path.stat().st_size for path in root.glob("images/**/*.png"))
    report = lecompose.merge(root, out=tmp_path / "out", data_mb=0.6 * size_bytes / 2**20)
    assert len(list((tmp_path / "out").glob(DATA))) > 1
    assert report.bytes_needed >= size_bytes


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "images/../../secret.png",
        "/etc/hostname",
        "images/link.png",
        "images",
        "images/\0.png",
        "x" * 300,
        "",
        "..\\secret.png",
    ],
)
def test_nothing_outside_of_the_dataset_is_read(tmp_path: Path, path: str) -> None:
    root = tmp_path / "dataset"
    (root / "images").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "images/link.png").symlink_to(tmp_path / "secret.png")
    assert find_picture(root, path) is None
    assert find_picture(root, str(tmp_path / "secret.png")) is None
    with pytest.raises(lecompose.SourceBroken, match="missing"):
        read_picture(root, path)


def test_links_into_the_store_of_a_cache_are_read(tmp_path: Path) -> None:
    root, store = tmp_path / "repo/snapshots/abc", tmp_path / "repo/blobs"
    (root / "images").mkdir(parents=True)
    store.mkdir()
    (store / "123").write_bytes(b"\x89PNG\r\n\x1a\nx")
    (root / "images/0.png").symlink_to("../../../blobs/123")
    for path in ("images/0.png", "/home/me/data/images/0.png", "C:\\data\\images\\0.png"):
        assert read_picture(root, path) == b"\x89PNG\r\n\x1a\nx"


def test_what_is_no_picture_is_refused(make_dataset: Make, tmp_path: Path) -> None:
    root = made(make_dataset)
    loose()(root)
    (root / PATH.format(1, 2)).write_text("version https://git-lfs")
    with pytest.raises(lecompose.SourceBroken, match=r"no picture(.|\n)*episode_000001/frame-000002"):
        lecompose.merge(root, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_named_before_anything_is_written(make_dataset: Make, tmp_path: Path) -> None:
    root = made(make_dataset)
    loose()(root)
    for frame in (3, 4):
        (root / PATH.format(1, frame)).unlink()
    first = PATH.format(1, 3)
    with pytest.raises(lecompose.SourceBroken) as error:
        lecompose.merge(root, out=tmp_path / "out", dry_run=True)
    assert f'episode 1, feature "{FRONT}": 2 pictures are neither' in str(error.value)
    assert first in str(error.value)
    (finding,) = [f for f in lecompose.check(root) if f.code == "pictures_present"]
    assert (finding.episode, finding.feature) == (1, FRONT)
    assert first in finding.problem


def test_footers_that_count_no_nulls(make_dataset: Make, tmp_path: Path) -> None:
    """Copied row groups have no statistics; small chunks and paths with folders tell."""
    root = made(make_dataset)
    wanted = cells(root)
    loose()(root)
    for path in root.glob(DATA):
        table = pq.read_table(path, partitioning=None)
        pq.write_table(table, path, write_statistics=False)
    assert [f.code for f in lecompose.check(root) if f.feature == FRONT] == ["pictures_embedded"]
    lecompose.merge(root, out=tmp_path / "out")
    assert cells(tmp_path / "out") == wanted
    lecompose.merge(tmp_path / "out", out=tmp_path / "again")  # its row groups are copied
    assert lecompose.check(tmp_path / "again") == []


def test_statistics_look_at_the_files(make_dataset: Make) -> None:
    root = made(make_dataset)
    before = lecompose.stats(root, images=True)[FRONT]
    loose()(root)
    assert lecompose.stats(root, images=True)[FRONT] == before
