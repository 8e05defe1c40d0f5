"""What info.json says of the format, held against the folder: named, and read by what is there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.effort import thorough
from support.independent import assert_same_values, read

import lecompose
from lecompose.errors import SourceBroken, UnsupportedVersion

Record = Callable[..., Path]

SETTINGS: dict[str, Any] = {
    "codec": "h264",
    "cameras": ("front",),
    "frames": (6, 5, 7),
    "tasks": ("pick", "place"),
}
TEMPLATES = {
    "v2.1": {
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    },
    "v3.0": {
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    },
}


def say(root: Path, **fields: Any) -> Path:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return root


def assert_holds(out: Path, sound: Path) -> None:
    """An output has all that a dataset has, in whatever order of columns."""
    made, given = read(out), read(sound)
    assert set(made.features) == set(given.features)
    for one, other in zip(made.episodes, given.episodes, strict=True):
        assert one.tasks == other.tasks
        for name in given.columns:
            assert_same_values(one.rows[name], other.rows[name], name)
        for camera in given.cameras:
            assert one.pictures(camera) == other.pictures(camera)


@pytest.mark.parametrize(
    ("held", "said", "templates"),
    [("v2.0", "v3.0", True), ("v2.1", "v3.0", False), ("v3.0", "v2.1", True)],
)
def test_one_version_over_another(
    held: str, said: str, templates: bool, make_dataset: Record, tmp_path: Path
) -> None:
    sound = make_dataset("sound", version=held, **SETTINGS)
    root = shutil.copytree(sound, tmp_path / "a")
    say(root, codebase_version=said, **(TEMPLATES[said] if templates else {}))
    with pytest.raises(SourceBroken, match=f'"{said}", but the folder is laid out as {held}.*--skip-broken'):
        lecompose.merge(root, out=tmp_path / "out")
    assert lecompose.check(root)[0].code == "info_version"
    if held == "v2.1":
        lecompose.merge(root, out=tmp_path / "out", skip_broken=True)
    else:
        lecompose.repair(root, out=tmp_path / "out")
    assert_holds(tmp_path / "out", sound)


def half_converted(
    make_dataset: Record, *, metadata: bool = False, data: bool = False, videos: bool = False
) -> Path:
    """A v2.1 dataset in which parts of its v3.0 stand already."""
    root = make_dataset("half", version="v2.1", **SETTINGS)
    new = make_dataset("new", version="v3.0", **SETTINGS)
    if metadata:
        shutil.copytree(new / "meta/episodes", root / "meta/episodes")
        shutil.copy(new / "meta/tasks.parquet", root / "meta/tasks.parquet")
    for part in ["data"] * data + ["videos"] * videos:
        shutil.rmtree(root / part)
        shutil.copytree(new / part, root / part)
    return root


def test_half_converted(make_dataset: Record, tmp_path: Path) -> None:
    root = say(half_converted(make_dataset, metadata=True, data=False), codebase_version="v3.0")
    with pytest.raises(SourceBroken, match=r"laid out as v2\.1 \(meta/episodes\.jsonl, data"):
        lecompose.merge(root, out=tmp_path / "out")
    lecompose.repair(root, out=tmp_path / "out")
    say(root, codebase_version="v2.1")
    lecompose.merge(root, out=tmp_path / "same")
    assert_holds(tmp_path / "same", root)
    assert_holds(tmp_path / "out", root)


@pytest.mark.parametrize("said", ["v2.1", "v3.0"])
@pytest.mark.parametrize(
    ("lists", "data", "videos"),
    [
        (False, True, False),
        (False, True, True),
        (True, False, False),
        pytest.param(True, False, True, marks=thorough),
        pytest.param(True, True, False, marks=thorough),
    ],
)
def test_one_part_of_another_version(
    said: str, lists: bool, data: bool, videos: bool, make_dataset: Record, tmp_path: Path
) -> None:
    root = half_converted(make_dataset, metadata=lists, data=data, videos=videos)
    if lists:
        for name in ("episodes.jsonl", "tasks.jsonl", "episodes_stats.jsonl"):
            (root / "meta" / name).unlink()
    say(root, codebase_version=said)
    if lists != data:
        with pytest.raises(SourceBroken, match=r"half converted|laid out as|has no value here"):
            lecompose.merge(root, out=tmp_path / "out")
    report = lecompose.repair(root, out=tmp_path / "out")
    assert report.dropped == ()
    assert any("half converted" in note for note in report.notes) or lists == data
    assert_holds(tmp_path / "out", make_dataset("sound", version="v2.1", **SETTINGS))


def test_metadata_without_pointers(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("a", version="v3.0", **SETTINGS)
    sound = shutil.copytree(root, tmp_path / "sound")
    for path in root.glob("meta/episodes/*/*.parquet"):
        rows = pq.read_table(path)
        pq.write_table(rows.select([n for n in rows.column_names if not n.startswith("videos/")]), path)
    with pytest.raises(SourceBroken, match=r'no column "videos/observation\.images\.front/chunk_index"'):
        lecompose.merge(root, out=tmp_path / "out")
    lecompose.repair(root, out=tmp_path / "out")
    assert_holds(tmp_path / "out", sound)


# Spellings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held", "said"), [("v3.0", ("3.0", "v3")), ("v2.1", ("2.1", "V2.1.0"))])
def test_spellings(held: str, said: tuple[str, ...], make_dataset: Record) -> None:
    root = make_dataset(version=held, **SETTINGS)
    for version in said:
        say(root, codebase_version=version)
        assert lecompose.info(root).version == held
    assert lecompose.check(root) == []
    if held == "v3.0":
        assert [f.code for f in lecompose.check(say(root, codebase_version="v3.0.1"))] == ["version_newer"]


@pytest.mark.parametrize("said", ["v4.0", "v1.6", "latest", 3])
def test_other_versions_are_refused_by_name(said: object, make_dataset: Record, tmp_path: Path) -> None:
    root = say(make_dataset(version="v3.0", **SETTINGS), codebase_version=said)
    with pytest.raises(UnsupportedVersion, match=f"format version {said}"):
        lecompose.merge(root, out=tmp_path / "out")


# Other storage ------------------------------------------------------------------------------------


def test_other_storage_is_refused_by_name(make_dataset: Record, tmp_path: Path) -> None:
    root = say(make_dataset(version="v3.0", **SETTINGS), storage_format="lance")
    with pytest.raises(UnsupportedVersion, match='storage_format "lance"'):
        lecompose.merge(root, out=tmp_path / "out")
    with pytest.raises(SourceBroken, match='storage_format is "lance"'):
        lecompose.repair(root, out=tmp_path / "out")
    assert ("info_version", "error") in {(f.code, f.severity) for f in lecompose.check(root)}


def test_the_storage_of_an_output_is_not_its_sources(make_dataset: Record, tmp_path: Path) -> None:
    root = say(make_dataset(version="v3.0", **SETTINGS), storage_format="lerobot")
    lecompose.merge(root, out=tmp_path / "out")
    assert "storage_format" not in json.loads((tmp_path / "out/meta/info.json").read_text())
