"""What no output has of its sources is told: other files, undeclared columns, recordings held twice."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import typed
from support.effort import every_nth

import lecompose

LENGTHS = (3, 4, 2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return typed.write(tmp_path / "a", {}, version="v2.1", lengths=LENGTHS)


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")


def merge(root: Path, out: Path) -> lecompose.Report:
    return lecompose.merge(root, out=out)


def split(root: Path, out: Path) -> lecompose.Report:
    return lecompose.split(root, out=out, into={"x": [0], "y": [1, 2]})


def delete(root: Path, out: Path) -> lecompose.Report:
    return lecompose.delete(root, out=out, episodes=[0])


def repair(root: Path, out: Path) -> lecompose.Report:
    return lecompose.repair(root, out=out)


def skip_broken(root: Path, out: Path) -> lecompose.Report:
    return lecompose.merge(root, out=out, skip_broken=True)


@every_nth(2)
@pytest.mark.parametrize("operation", [merge, split, delete, repair, skip_broken])
def test_operations_tell_what_is_left_out(
    operation: Callable[[Path, Path], lecompose.Report], source: Path, tmp_path: Path
) -> None:
    put(
        source,
        "labels.csv",
        "annotations/episode_000002.json",
        "depth_videos/x.mkv",
        "meta/relative_stats.json",
    )
    (note,) = operation(source, tmp_path / "out").notes
    assert '4 files and folders beside source "a"' in note
    assert '"annotations/", "depth_videos/", "labels.csv" and 1 more' in note
    assert '"annotations/episode_000002.json"' in note
    assert "no longer fit" in note


def test_check_names_them(source: Path) -> None:
    put(source, "norm_stats.json")
    (finding,) = [f for f in lecompose.check(source) if f.code == "other_files"]
    assert (finding.severity, finding.file) == ("warning", "norm_stats.json")
    assert "numbered" not in finding.problem


def test_what_is_expected_is_not_told(source: Path, tmp_path: Path) -> None:
    put(source, "README.md", ".gitattributes", ".git/config", ".cache/huggingface/download/x.metadata")
    put(source, "data/.gitkeep", "meta/.DS_Store", "images/.DS_Store")
    assert lecompose.merge(source, out=tmp_path / "out").notes == ()
    assert lecompose.check(tmp_path / "out") == []
    assert lecompose.delete(tmp_path / "out", out=tmp_path / "less", episodes=[0]).notes == ()


def test_files_among_data_and_videos(source: Path, tmp_path: Path) -> None:
    put(source, "data/index.csv", "data/chunk-000/episode_000000.json", "data/extra.parquet")
    put(
        source,
        "videos/chunk-000/observation.images.gone/episode_000000.mp4",
        "images/observation.images.gone/x",
    )
    (note,) = lecompose.merge(source, out=tmp_path / "out").notes
    assert "5 files and folders" in note
    assert '"data/chunk-000/episode_000000.json"' in note


def test_of_several_sources_there_is_one_note(source: Path, tmp_path: Path) -> None:
    other = typed.write(tmp_path / "b", {}, version="v3.0", seed=1, lengths=(2, 6))
    put(source, "labels.csv")
    put(other, "labels.csv", "meta/notes.txt")
    (note,) = lecompose.merge([source, other], out=tmp_path / "out").notes
    assert '3 files and folders beside 2 sources, no part of a dataset: "a/labels.csv"' in note


def test_in_place_other_files_stay(source: Path, tmp_path: Path) -> None:
    lecompose.merge(source, out=tmp_path / "day")
    put(tmp_path / "day", "labels.csv")
    report = lecompose.edit_info(tmp_path / "day", in_place=True, robot_type="so101")
    assert not any("labels.csv" in note for note in report.notes)
    assert (tmp_path / "day/labels.csv").is_file()


def test_undeclared_columns_are_named(source: Path, tmp_path: Path) -> None:
    for path in source.glob("data/*/*.parquet"):
        rows = pq.read_table(path)
        pq.write_table(rows.append_column("force", pa.array([1.0] * len(rows))), path)
    for n, report in enumerate(
        (repair(source, tmp_path / "saved"), skip_broken(source, tmp_path / "merged"))
    ):
        assert any('columns "force"' in note and "--undeclared declare" in note for note in report.notes), n
    kept = lecompose.repair(source, out=tmp_path / "kept", undeclared="declare")
    assert not any('columns "force"' in note for note in kept.notes)


# The same recordings twice ------------------------------------------------------------------------


def test_a_copy_is_told(source: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(source, tmp_path / "copy")
    (note,) = lecompose.merge([source, copy], out=tmp_path / "out").notes
    assert '"a" and "copy" (3 data files)' in note


def test_what_was_composed_of_a_source_is_told(source: Path, tmp_path: Path) -> None:
    other = typed.write(tmp_path / "b", {}, version="v2.1", seed=1, lengths=(2, 6))
    lecompose.merge([source, other], out=tmp_path / "both")
    (note,) = lecompose.merge([tmp_path / "both", source], out=tmp_path / "out").notes
    assert note.startswith("3 episodes come from recordings that another source holds")
    lecompose.split(tmp_path / "both", out=tmp_path / "parts", into={"x": [0], "y": [1, 2]})
    parts = [tmp_path / "parts/x", tmp_path / "parts/y"]
    assert lecompose.merge(parts, out=tmp_path / "again").notes == ()
