"""What can be saved of broken datasets: what was recorded, frame by frame. All breaks: `test_broken.py`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from broken import SETTINGS, TABLE, Broken
from click.testing import CliRunner
from support.effort import every_nth, few
from support.independent import assert_same_values, read

import lecompose
from lecompose.cli import main
from lecompose.errors import ComposeError, SourceBroken

Record = Callable[..., Path]


@pytest.fixture
def spoilt(make_dataset: Record) -> Callable[[Broken, str], Path]:
    def make(broken: Broken, version: str) -> Path:
        root = make_dataset("bad", version=version, **SETTINGS | dict(broken.settings))
        broken.damage(root)
        return root

    return make


def named(name: str, version: str) -> Broken:
    (broken,) = (b for b in TABLE if b.name == name and version in b.versions)
    return broken


def assert_saved(out: Path, whole: Path, *, offset: int = 0) -> list[int]:
    """The episodes that were saved, after every value and picture in them was found to be as recorded."""
    rows = lecompose.query(out, "select from_episode from lineage where step = 0 order by src_episode")
    numbers = [n - (offset if n > 1 else 0) for n in rows["from_episode"].to_pylist()]
    recorded = read(whole).episodes
    for ours, n in zip(read(out).episodes, numbers, strict=True):
        theirs = recorded[n]
        for name in set(theirs.rows.column_names) & set(ours.rows.column_names):
            if name not in ("index", "episode_index", "task_index"):
                assert_same_values(ours.rows[name], theirs.rows[name], f"episode {n}, {name}")
        assert ours.tasks == theirs.tasks
        for camera in ours.clips:
            assert ours.pictures(camera) == theirs.pictures(camera), f"episode {n}, {camera}"
    return numbers


def test_after_a_crash_whole_episodes_are_taken_in(
    make_dataset: Record, recorded: Record, tmp_path: Path
) -> None:
    """The last episode's metadata was never written; its rows and its pictures were."""
    root = make_dataset("bad", **SETTINGS)
    named("crash before the last episode", "v3.0").damage(root)
    report = lecompose.repair(root, out=tmp_path / "out")
    assert assert_saved(tmp_path / "out", recorded(**SETTINGS)) == [0, 1, 2]
    assert any("missing in the episode list, and now added: episode 2" in note for note in report.notes)


def test_pictures_that_nobody_can_place_are_not_guessed(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("bad", **SETTINGS)
    named("crash before the last episode", "v3.0").damage(root)
    path = sorted(root.glob("videos/*/*/*.mp4"))[-1]
    path.write_bytes(sorted(root.glob("videos/*/*/*.mp4"))[0].read_bytes())  # of another length
    report = lecompose.repair(root, out=tmp_path / "out")
    assert [(d.episode, d.reason) for d in report.dropped] == [
        (2, 'camera "observation.images.front": no video is named')
    ]


@every_nth(2)
@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_tasks_numbered_otherwise_are_those_that_episodes_list(
    version: str, spoilt: Any, recorded: Record, tmp_path: Path
) -> None:
    root = spoilt(named("task list from 1, frames from 0", version), version)
    report = lecompose.repair(root, out=tmp_path / "out")
    assert assert_saved(tmp_path / "out", recorded(**SETTINGS)) == [0, 1, 2]
    assert [note for note in report.notes if "1 too high for those of the frames" in note]
    assert not [note for note in report.notes if "episode_tasks" in note]
    with pytest.raises(SourceBroken, match="another text for task_index 1 than the episode"):
        lecompose.delete(root, out=tmp_path / "rest", episodes=[0, 2])


def test_an_empty_picture_costs_its_episode(spoilt: Any, tmp_path: Path) -> None:
    root = spoilt(named("a picture of nothing", "v2.1"), "v2.1")
    assert [
        n for n in lecompose.merge(root, out=tmp_path / "all").notes if "episode 2: 1 picture is empty" in n
    ]
    report = lecompose.repair(root, out=tmp_path / "out")
    assert [(d.episode, d.reason) for d in report.dropped] == [
        (2, 'feature "observation.images.front": 1 picture is empty: neither bytes nor a path')
    ]


def test_pictures_of_another_size_are_told(spoilt: Any, tmp_path: Path) -> None:
    root = spoilt(named("an episode with larger pictures", "v3.0"), "v3.0")
    report = lecompose.merge(root, out=tmp_path / "out")
    assert [note for note in report.notes if "episode 2: pictures of" in note and "cannot batch" in note]
    assert not [n for n in lecompose.delete(root, out=tmp_path / "rest", episodes=[2]).notes if "batch" in n]


def test_a_hollow_camera_can_be_left_out(make_dataset: Record, recorded: Record, tmp_path: Path) -> None:
    settings = SETTINGS | {"cameras": ("front", "wrist")}
    root = make_dataset("bad", version="v2.1", **settings)
    (root / "videos/chunk-000/observation.images.wrist/episode_000001.mp4").unlink()
    report = lecompose.repair(root, out=tmp_path / "all")
    assert [(d.episode, d.file) for d in report.dropped] == [
        (1, str(root / "videos/chunk-000/observation.images.wrist/episode_000001.mp4"))
    ]
    report = lecompose.repair(root, out=tmp_path / "one", remove=["observation.images.wrist"])
    assert report.dropped == ()
    assert assert_saved(tmp_path / "one", recorded(version="v2.1", **settings)) == [0, 1, 2]


def test_without_any_episode_list(make_dataset: Record, recorded: Record, tmp_path: Path) -> None:
    """The data files tell the episodes, and the videos are exactly as long as these."""
    root = make_dataset("bad", **SETTINGS)
    shutil.rmtree(root / "meta/episodes")
    lecompose.repair(root, out=tmp_path / "out")
    assert assert_saved(tmp_path / "out", recorded(**SETTINGS)) == [0, 1, 2]


@pytest.mark.parametrize("version", few(("v3.0", "v2.1"), kept=lambda n: n == 0))
def test_undeclared_columns_are_dropped_or_declared(version: str, spoilt: Any, tmp_path: Path) -> None:
    root = spoilt(named("undeclared column everywhere", version), version)
    held = {name for path in root.glob("data/*/*.parquet") for name in pq.read_schema(path).names}
    (extra,) = held - set(json.loads((root / "meta/info.json").read_text())["features"])
    lecompose.repair(root, out=tmp_path / "dropped")
    assert extra not in read(tmp_path / "dropped").features
    lecompose.repair(root, out=tmp_path / "declared", undeclared="declare")
    made = read(tmp_path / "declared")
    given = read(root)
    for ours, theirs in zip(made.episodes, given.episodes, strict=True):
        assert_same_values(ours.rows[extra], theirs.rows[extra], extra)
    assert lecompose.check(tmp_path / "declared") == []


def test_pointers_that_overlap_are_put_right(make_dataset: Record, recorded: Record, tmp_path: Path) -> None:
    root = make_dataset("bad", **SETTINGS)
    named("wrong from_timestamp", "v3.0").damage(root)
    report = lecompose.repair(root, out=tmp_path / "out")
    assert assert_saved(tmp_path / "out", recorded(**SETTINGS)) == [0, 1, 2]
    assert any("its pointers were wrong" in note for note in report.notes)


def test_a_wrong_rate_is_told_and_not_made_true(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("bad", **SETTINGS)
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fps": 15}))
    with pytest.raises(SourceBroken, match=r"do not go with the 15 fps of info\.json"):
        lecompose.repair(root, out=tmp_path / "out", remove=["observation.images.front"])


def test_statistics_are_kept_where_they_are_true(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("bad", **SETTINGS)
    named("empty video", "v3.0").damage(root)
    report = lecompose.repair(root, out=tmp_path / "out")
    assert report.frames_decoded == 0
    recorded_, made = read(root), read(tmp_path / "out")
    for ours, theirs in zip(made.episodes, recorded_.episodes, strict=False):
        for stat in ("mean", "q50"):
            assert ours.stats[f"action/{stat}"] == theirs.stats[f"action/{stat}"]
            key = f"observation.images.front/{stat}"
            assert ours.stats[key] == theirs.stats[key]


def test_every_operation_can_skip_what_is_broken(
    make_dataset: Record, recorded: Record, tmp_path: Path
) -> None:
    bad, good = make_dataset("bad", **SETTINGS), recorded(version="v2.1", **SETTINGS)
    named("empty video", "v3.0").damage(bad)
    with pytest.raises(ComposeError):
        lecompose.merge({"bad": bad, "good": good}, out=tmp_path / "ab")
    report = lecompose.merge({"bad": bad, "good": good}, out=tmp_path / "ab", skip_broken=True)
    assert [(d.source, d.episode) for d in report.dropped] == [("bad", 2)]
    assert report.episodes == 5
    rows = lecompose.query(tmp_path / "ab", "select from_path, command from lineage").to_pylist()
    assert {row["from_path"] for row in rows} == {str(bad), str(good)}
    assert all("--skip-broken" in row["command"] for row in rows)
    lecompose.split(bad, out=tmp_path / "parts", into={"a": 0.5, "b": 0.5}, skip_broken=True)
    assert [len(read(tmp_path / "parts" / part).episodes) for part in "ab"] == [1, 1]
    assert lecompose.check(tmp_path / "parts/a") == []


def test_the_command_line(spoilt: Any, tmp_path: Path) -> None:
    root = spoilt(named("empty video", "v3.0"), "v3.0")
    arguments = ["repair", str(root), "-o", str(tmp_path / "out")]
    told = CliRunner().invoke(main, [*arguments, "--dry-run", "--json"])
    assert json.loads(told.stdout)["dropped"][0]["episode"] == 2
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert 'source "bad": 1 episode could not be saved' in done.stderr
    assert "empty file (0 bytes)" in done.stderr


def test_of_a_video_that_is_cut_whole_episodes_are_saved(
    make_dataset: Record, recorded: Record, tmp_path: Path
) -> None:
    """One file of three episodes with its tables in front; the media end within the last one."""
    settings = SETTINGS | {"frames_per_video_file": 100}
    root = make_dataset("bad", **settings)
    (path,) = root.glob("videos/*/*/*.mp4")
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat")
    path.write_bytes(path.read_bytes()[: path.stat().st_size - 200])
    report = lecompose.repair(root, out=tmp_path / "out")
    assert [(d.episode, d.file) for d in report.dropped] == [(2, str(path))]
    assert "the end of which is cut off" in report.dropped[0].reason
    assert assert_saved(tmp_path / "out", recorded(**settings)) == [0, 1]
    assert lecompose.check(tmp_path / "out") == []
