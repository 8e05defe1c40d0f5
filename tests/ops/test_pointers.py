"""Pointers to videos that are wrong: refused where whose the pictures are is not known, else put right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from broken.damage import CAMERA, DATA, VIDEO, Damage, column, cut, last
from broken.entry import SETTINGS
from broken.pointers import ONE_FILE, TWO_FILES, UNEQUAL, exchanged, in_files, moved, pointers
from broken.videos import encoded
from support.effort import every_nth
from support.independent import read

import lecompose

Make = Callable[..., Path]


def made(make_dataset: Make, damage: Damage, settings: dict[str, Any]) -> tuple[Path, list[list[str]]]:
    """A damaged dataset, and the pictures of each episode as recorded."""
    root = make_dataset(version="v3.0", **SETTINGS | settings)
    pictures = [episode.pictures(CAMERA) for episode in read(root).episodes]
    assert len(set(map(tuple, pictures))) == len(pictures)
    damage(root)
    return root, pictures


def pictures_of(root: Path) -> list[list[str]]:
    return [episode.pictures(CAMERA) for episode in read(root).episodes]


# Refused ----------------------------------------------------------------------------------------


@every_nth(2)
@pytest.mark.parametrize(
    ("damage", "settings", "kept"),
    [
        (moved((18, 12, 6, 0)), ONE_FILE, [0, 1]),
        (in_files(1, 1, 1, 1, by=(0, 0, 12, 12)), TWO_FILES, [0, 1]),
        (in_files(1, 1, 2, 2), TWO_FILES, [0, 1]),
        (moved((6, 6, 6, 6)), ONE_FILE, [0, 1, 2]),
        (moved((-6, -6, -6, -6)), ONE_FILE, [1, 2, 3]),
        (in_files(0, 1, 1, 1, by=(0, -6, 6, 6)), TWO_FILES, [1]),
    ],
    ids=["one span", "times that go on", "one file too high", "later", "earlier", "in the next file"],
)
def test_pictures_of_others_are_not_taken(
    make_dataset: Make, tmp_path: Path, damage: Damage, settings: dict[str, Any], kept: list[int]
) -> None:
    """The clips that are kept lie in their files, and are those of other episodes."""
    root, pictures = made(make_dataset, damage, settings)
    dropped = [n for n in range(len(pictures)) if n not in kept]
    with pytest.raises(lecompose.SourceBroken, match=r"pointers to videos are wrong(.|\n)*images\.front"):
        lecompose.delete(root, out=tmp_path / "out", episodes=dropped)
    lecompose.repair(root, out=tmp_path / "saved")
    assert pictures_of(tmp_path / "saved") == pictures


def test_readers_of_pictures_refuse(make_dataset: Make) -> None:
    pytest.importorskip("torch")
    for damage, settings in ((moved((18, 12, 6, 0)), ONE_FILE), (in_files(1, 1, 2, 2), TWO_FILES)):
        root, _ = made(make_dataset, damage, settings)
        with lecompose.open(root) as held, pytest.raises(lecompose.SourceBroken, match="pointers"):
            held.to_torch(episodes=[0, 1])


def test_statistics_of_pictures_are_refused(make_dataset: Make) -> None:
    root, _ = made(make_dataset, moved((18, 12, 6, 0)), ONE_FILE)
    with pytest.raises(lecompose.SourceBroken, match="pointers"):
        lecompose.stats(root, images=True)
    assert lecompose.stats(root)


def test_what_reads_no_pictures_works(make_dataset: Make, tmp_path: Path) -> None:
    root, pictures = made(make_dataset, moved((18, 12, 6, 0)), ONE_FILE)
    lecompose.merge(root, out=tmp_path / "out", remove=CAMERA)
    assert len(read(tmp_path / "out").episodes) == len(pictures)


# Repeated episodes ------------------------------------------------------------------------------


def repeated(root: Path) -> None:
    """Episode 3 is episode 1 again: the same rows, the same clip."""
    path = last(root, DATA)
    table = pq.read_table(path, partitioning=None)
    numbers = table["episode_index"].to_pylist()
    first = [n for n, episode in enumerate(numbers) if episode == 1]
    rows = [first[numbers[:n].count(3)] if episode == 3 else n for n, episode in enumerate(numbers)]
    copied = table.take(pa.array(rows))
    for name in ("index", "episode_index"):
        copied = copied.set_column(copied.schema.get_field_index(name), table.schema.field(name), table[name])
    pq.write_table(copied, path)
    held = dict.fromkeys(("from_timestamp", "to_timestamp"), -12 / 30)
    pointers(lambda e, row: row | ({n: row[n] + by for n, by in held.items()} if e == 3 else {}))(root)


def test_an_episode_that_is_there_twice_is_taken(make_dataset: Make, tmp_path: Path) -> None:
    root, pictures = made(make_dataset, repeated, ONE_FILE | {"frames_per_data_file": None})
    assert "video_overlap" not in {finding.code for finding in lecompose.check(root)}
    report = lecompose.merge(root, out=tmp_path / "out")
    assert any("repeat the rows and pictures" in note and "3 is 1" in note for note in report.notes)
    lecompose.repair(root, out=tmp_path / "saved")
    for out in ("out", "saved"):
        assert pictures_of(tmp_path / out) == [*pictures[:3], pictures[1]]


# Put right --------------------------------------------------------------------------------------


def surplus(root: Path) -> None:
    """The last video is longer than its episodes, and pointers name the file behind."""
    path = last(root, VIDEO)
    path.write_bytes(encoded(20))
    in_files(1, 1, 2, 2)(root)


def test_files_that_are_one_too_high_and_too_long(make_dataset: Make, tmp_path: Path) -> None:
    root, pictures = made(make_dataset, surplus, TWO_FILES)
    lecompose.repair(root, out=tmp_path / "saved")
    assert pictures_of(tmp_path / "saved")[:2] == pictures[:2]


def test_an_episode_without_rows_keeps_its_frames(make_dataset: Make, tmp_path: Path) -> None:
    """Episode 1 is torn; those behind it are still found by order."""

    def damage(root: Path) -> None:
        first = sorted(root.glob(DATA))[0]
        torn = column("frame_index", lambda values: [*values[:-1], 77])
        table = pq.read_table(first, partitioning=None)
        pq.write_table(torn(table), first)
        moved((0, 0, 11, 11, 22))(root)

    root, pictures = made(make_dataset, damage, UNEQUAL)
    report = lecompose.repair(root, out=tmp_path / "saved")
    assert [dropped.episode for dropped in report.dropped] == [1]
    assert pictures_of(tmp_path / "saved") == [pictures[0], *pictures[2:]]


def swapped(root: Path) -> None:
    """The files are in another order than the episodes, and the last pointer is wrong."""
    one, other = sorted(root.glob(VIDEO))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    in_files(1, 1, 0, 0, by=(0, 0, 0, 12))(root)


def test_no_order_is_assumed_where_pointers_show_another(make_dataset: Make, tmp_path: Path) -> None:
    root, pictures = made(make_dataset, swapped, TWO_FILES)
    report = lecompose.repair(root, out=tmp_path / "saved")
    kept = [n for n in range(4) if n not in {dropped.episode for dropped in report.dropped}]
    assert pictures_of(tmp_path / "saved") == [pictures[n] for n in kept]


def test_what_cannot_be_told_is_lost_by_name(make_dataset: Make, tmp_path: Path) -> None:
    """Of two files one is cut off, the other is named by nobody: nothing tells whose frames these are."""

    def damage(root: Path) -> None:
        in_files(1, 1, 2, 2)(root)
        cut(VIDEO, 0.5)(root)

    root, _ = made(make_dataset, damage, TWO_FILES)
    with pytest.raises(lecompose.SourceBroken, match=r"no episode can be saved(.|\n)*pointers"):
        lecompose.repair(root, out=tmp_path / "saved")


def test_unlisted_is_not_said_of_a_listed_episode(make_dataset: Make, tmp_path: Path) -> None:
    root, _ = made(make_dataset, in_files(0, 0, 0, 0), TWO_FILES)
    report = lecompose.repair(root, out=tmp_path / "saved")
    assert not report.dropped
    assert not any("missing in the episode list" in note for note in report.notes)
    assert any("pointers were wrong" in note and CAMERA in note for note in report.notes)


# Exchanged files --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
def test_exchanged_files_are_given_back(make_dataset: Make, tmp_path: Path, version: str) -> None:
    """In v3.0 episodes 0 and 1 share a file; each clip that is kept lies in its file, and is another's."""
    root = make_dataset(version=version, **SETTINGS)
    pictures = pictures_of(root)
    exchanged(root)
    with pytest.raises(lecompose.SourceBroken, match=r"files of the camera seem to be exchanged"):
        lecompose.delete(root, out=tmp_path / "out", episodes=[1])
    report = lecompose.repair(root, out=tmp_path / "saved")
    assert pictures_of(tmp_path / "saved") == pictures
    assert any("video files were exchanged" in note for note in report.notes)


def test_files_of_as_many_frames_are_not_guessed(make_dataset: Make, tmp_path: Path) -> None:
    """Files of 9, 7 and 7 frames; the first two are exchanged."""
    root, pictures = made(make_dataset, exchanged, {"frames": (9, 7, 7), "frames_per_video_file": 9})
    report = lecompose.repair(root, out=tmp_path / "saved")
    assert [dropped.episode for dropped in report.dropped] == [1]
    assert pictures_of(tmp_path / "saved") == [pictures[0], pictures[2]]


def test_the_loader_refuses_exchanged_files(make_dataset: Make) -> None:
    pytest.importorskip("torch")
    root, _ = made(make_dataset, exchanged, {})
    with lecompose.open(root) as held, pytest.raises(lecompose.SourceBroken, match="exchanged"):
        held.to_torch(episodes=[0])


def test_either_order_or_exchange_is_not_guessed(make_dataset: Make, tmp_path: Path) -> None:
    """Four and five frames before four: exchanged files would fit in the order of the episodes, too."""
    root, _ = made(make_dataset, exchanged, {"frames": (4, 5, 4), "frames_per_video_file": 9})
    with pytest.raises(lecompose.SourceBroken, match="nothing tells which"):
        lecompose.repair(root, out=tmp_path / "saved")
