"""In place, appended, linked: what goes whole into the output is not copied, and nothing else is shared."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from conftest import digest
from support.edited import retold
from support.effort import every_nth
from support.independent import assert_composed, every

import lecompose
from lecompose.cli import main
from lecompose.composition import execute
from lecompose.composition.context import Run
from lecompose.errors import ComposeError, EmptyOutput, FeatureMismatch, OutputExists, RequestError

Record = Callable[..., Path]
# 3 files of each camera and of the data, with 2, 2 and 1 episodes.
FILES: dict[str, Any] = {
    "version": "v3.0",
    "frames": (4, 6, 3, 7, 5),
    "tasks": ("a", "b"),
    "codec": "h264",
    "frames_per_data_file": 11,
    "frames_per_video_file": {"front": 11, "wrist": 11},
}


@pytest.fixture
def day(make_dataset: Record, tmp_path: Path) -> Path:
    """A dataset of several files, as lecompose writes them."""
    source = make_dataset("recorded", **FILES)
    lecompose.merge(source, out=tmp_path / "day", concatenate_data=False, concatenate_videos=False)
    return tmp_path / "day"


@pytest.fixture
def old(day: Path, tmp_path: Path) -> Path:
    """A copy of it, to compare with."""
    return shutil.copytree(day, tmp_path / "old")


def inodes(root: Path, folder: str) -> dict[str, int]:
    return {
        path.relative_to(root).as_posix(): path.stat().st_ino
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


def test_other_tasks_leave_the_videos(day: Path, old: Path) -> None:
    videos, data = inodes(day, "videos"), inodes(day, "data")
    report = lecompose.edit_tasks(day, in_place=True, task="wave")
    assert (len(videos), inodes(day, "videos")) == (6, videos)
    assert report.bytes_linked >= sum(path.stat().st_size for path in day.glob("videos/*/*/*.mp4"))
    assert (report.bytes_copied, report.bytes_remuxed) == (0, 0)
    changed = [name for name, inode in inodes(day, "data").items() if data[name] != inode]
    assert len(changed) == 2, "in the last one, task 0 has another text"
    assert_composed(day, every(old), edited=retold(lambda *_: "wave"))


def test_what_changes_no_frame_leaves_all_files(day: Path, old: Path) -> None:
    kept = inodes(day, "videos") | inodes(day, "data")
    report = lecompose.edit_info(day, in_place=True, robot_type="so101")
    assert inodes(day, "videos") | inodes(day, "data") == kept
    assert (report.bytes_spliced, report.bytes_encoded) == (0, 0)
    assert_composed(day, every(old), robot_type="so101")


def test_features_that_change_names_are_written(day: Path, old: Path) -> None:
    """The schema is the same then, and the values are not."""
    lecompose.edit_features(
        day, in_place=True, add={"one:float32[6]": "action", "two:float32[6]": "action * 2"}
    )
    before = pq.read_table(day / "data/chunk-000/file-000.parquet", partitioning=None)
    lecompose.edit_features(day, in_place=True, rename={"one": "two", "two": "one"})
    after = pq.read_table(day / "data/chunk-000/file-000.parquet", partitioning=None)
    assert (after["one"].to_pylist(), after["two"].to_pylist()) == (
        before["two"].to_pylist(),
        before["one"].to_pylist(),
    )
    assert lecompose.check(day) == []
    del old


def test_files_of_which_nothing_is_deleted_stay(day: Path, old: Path) -> None:
    front = [*inodes(day, "videos/observation.images.front").values()]
    done = CliRunner().invoke(main, ["delete", str(day), "--in-place", "--episodes", "1"])
    assert done.exit_code == 0, done.output
    left = [*inodes(day, "videos/observation.images.front").values()]
    assert (len(left), left[1:]) == (3, front[1:])
    assert_composed(day, [(old, n) for n in (0, 2, 3, 4)])


@every_nth(2)
@pytest.mark.parametrize(
    ("operate", "kept"),
    [
        (lambda day: lecompose.filter(day, in_place=True, where="length > 4"), [1, 3, 4]),
        (lambda day: lecompose.sort(day, in_place=True, by="length desc"), [3, 1, 4, 0, 2]),
        (lambda day: lecompose.sample(day, in_place=True, episodes=5, seed=1), None),
    ],
    ids=["filter", "sort", "sample"],
)
def test_other_operations(
    operate: Callable[[Path], lecompose.Report], kept: list[int] | None, day: Path, old: Path
) -> None:
    report = operate(day)
    assert report.outputs[0].path == day
    if kept is None:
        found = lecompose.query(day, "select from_episode from lineage where step = 0 order by src_episode")
        kept = found["from_episode"].to_pylist()
    assert_composed(day, [(old, n) for n in kept])
    assert [path.name for path in day.parent.iterdir() if path.name.startswith(".")] == []


def test_pieces(day: Path) -> None:
    lecompose.trim(day, in_place=True, head=1)
    lecompose.cut(day, in_place=True, into=2)
    assert lecompose.query(day, "select length from episodes")["length"].to_pylist() == [
        *(1, 2, 2, 3, 1, 1, 3, 3, 2, 2)
    ]
    assert lecompose.check(day) == []


def test_files_of_others_stay_wherever_they_lie(day: Path) -> None:
    names = (
        "data/raw/bag.db3",
        "data/labels.csv",
        "videos/notes.md",
        "meta/episodes/mine.csv",
        "meta/mine.json",
    )
    for name in names:
        (day / name).parent.mkdir(parents=True, exist_ok=True)
        (day / name).write_text("precious")
    lecompose.delete(day, in_place=True, episodes="1")
    assert {(day / name).read_text() for name in names} == {"precious"}
    before = digest(day)
    with pytest.raises(OutputExists, match=r"bag\.db3"):
        lecompose.merge(day, out=shutil.copytree(day, day.parent / "copy"), overwrite=True)
    (day / "videos/observation.images.front/chunk-000/file-007.mp4").write_text("recorded, and not listed")
    with pytest.raises(RequestError, match=r"no episode names would be lost.*file-007"):
        lecompose.delete(day, in_place=True, episodes="1")
    (day / "videos/observation.images.front/chunk-000/file-007.mp4").unlink()
    assert digest(day) == before


@every_nth(3)
@pytest.mark.parametrize("name", ["data/chunk-000/file-009.parquet", "notes.txt", "meta/info.json"])
def test_what_is_recorded_meanwhile_is_not_lost(
    name: str, day: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = execute.STAGES

    def record(run: Run) -> None:
        (day / name).write_text("recorded meanwhile")

    monkeypatch.setattr(execute, "STAGES", (*real[:-1], ("record", record), real[-1]))
    with pytest.raises(OutputExists, match="has changed while"):
        lecompose.edit_tasks(day, in_place=True, task="wave")
    assert (day / name).read_text() == "recorded meanwhile"
    assert digest(day / "videos") == digest(old / "videos")


def test_an_error_changes_nothing(day: Path) -> None:
    before = digest(day)
    with pytest.raises(EmptyOutput):
        lecompose.filter(day, in_place=True, where="false")
    with pytest.raises(RequestError, match="where to"):
        lecompose.sort(day, by="length")
    with pytest.raises(RequestError, match="several are given"):
        lecompose.filter([day, day], in_place=True, where="true")
    assert digest(day) == before


def test_no_room_is_needed_for_what_stays(day: Path) -> None:
    media = sum(path.stat().st_size for path in day.rglob("file-*.*") if "meta" not in path.parts)
    stays = lecompose.edit_info(day, in_place=True, robot_type="so101", dry_run=True)
    goes = lecompose.edit_info(day, out=day.parent / "x", robot_type="so101", dry_run=True)
    assert goes.bytes_needed - stays.bytes_needed > 0.7 * media
    assert stays.bytes_linked > 0


# append -------------------------------------------------------------------------------------------


def test_append(day: Path, old: Path, recorded: Record) -> None:
    today = recorded(version="v2.1", frames=(5, 3), tasks=("b", "c"), codec="h264", seed=4)
    before = inodes(day, "videos") | inodes(day, "data")
    came = digest(today)
    report = lecompose.append(day, today)
    after = inodes(day, "videos") | inodes(day, "data")
    assert {name: after[name] for name in before} == before
    assert report.bytes_linked == sum((day / name).stat().st_size for name in before)
    assert digest(today) == came
    assert not {p.stat().st_ino for p in today.rglob("*.mp4")} & {*after.values()}
    assert_composed(day, every(old, today))
    files = lecompose.query(day, "select data_file from episodes")["data_file"].to_pylist()
    assert files == sorted(files)


def test_what_was_there_has_no_new_history(day: Path, recorded: Record, tmp_path: Path) -> None:
    asked = "select src_episode, step, from_dataset from lineage order by all"
    before = lecompose.query(day, asked).to_pylist()
    today = recorded(frames=(5, 3), codec="h264", seed=4)
    words = ["append", str(day), f"a={today}", "--episodes", "a=1"]
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == 0, done.output
    after = lecompose.query(day, asked).to_pylist()
    assert after == [*before, {"src_episode": 5, "step": 0, "from_dataset": "a"}]
    [command] = lecompose.query(day, "select command from lineage where src_episode = 5")["command"]
    assert command.as_py() == f"lecompose append day={day} a={today} --episodes a=1"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_append_again_and_again(day: Path, old: Path, recorded: Record) -> None:
    one, other = recorded(frames=(5, 3), codec="h264", seed=4), recorded(frames=(2,), codec="h264", seed=5)
    lecompose.append(day, one)
    lecompose.append(day, [other, one])
    assert_composed(day, every(old, one, other, one))


def test_own_files_and_keys_stay(day: Path, make_dataset: Record) -> None:
    (day / "labels.csv").write_text("episode\n")
    (day / "README.md").write_text("# mine\n")
    info = json.loads((day / "meta/info.json").read_text())
    (day / "meta/info.json").write_text(json.dumps(info | {"lab": "ours"}))
    today = make_dataset(frames=(5, 3), codec="h264", seed=4)
    theirs = json.loads((today / "meta/info.json").read_text())
    (today / "meta/info.json").write_text(json.dumps(theirs | {"lab": "theirs"}))
    report = lecompose.append(day, today)
    assert [note for note in report.notes if "left out" in note] == []
    assert json.loads((day / "meta/info.json").read_text())["lab"] == "ours"
    assert (day / "labels.csv").read_text() == "episode\n"
    assert (day / "README.md").read_text() == "# mine\n"


def test_what_cannot_be_appended(day: Path, recorded: Record, make_dataset: Record) -> None:
    before = digest(day)
    with pytest.raises(FeatureMismatch):
        lecompose.append(day, recorded(cameras=()))
    with pytest.raises(RequestError, match="what comes behind"):
        lecompose.append(day, [])
    with pytest.raises(RequestError, match=r"format v3\.0, this dataset is v2\.1"):
        lecompose.append(make_dataset(version="v2.1"), recorded(version="v2.1"))
    with pytest.raises(RequestError, match="for good"):
        lecompose.append(day, recorded(frames=(5, 3), codec="h264"), skip_broken=True)
    with pytest.raises(RequestError, match="no episode yet"):
        lecompose.append(make_dataset(frames=()), day)
    assert digest(day) == before


@every_nth(4)
@pytest.mark.parametrize(
    "asked",
    [
        {"set": {"action[1]": "action[1] * 100"}},
        {"remove": "observation.images.wrist"},
        {"rename": {"action": "command"}},
        {"cast": {"action": "float64"}},
        {"fps": 15},
        {"robot_type": "so101"},
        {"features": "common"},
        {"episodes": {"day": "0"}},
    ],
    ids=str,
)
def test_what_is_there_is_not_changed(asked: dict[str, Any], day: Path, recorded: Record) -> None:
    today = recorded(cameras=("front",), frames=(5, 3), codec="h264") if "features" in asked else day
    before = digest(day)
    with pytest.raises(RequestError, match="leaves the episodes of"):
        lecompose.append({"day": day}, {"today": today}, **asked)
    assert digest(day) == before


def test_what_comes_may_be_changed(day: Path, recorded: Record) -> None:
    today = recorded(frames=(5, 3), codec="h264", seed=4)
    before = lecompose.query(day, "select action from frames order by src_episode, frame_index")
    lecompose.append({"day": day}, {"n": today}, set={"n:action[1]": "action[1] * 100"})
    after = lecompose.query(day, "select action from frames order by src_episode, frame_index")
    assert after.slice(0, len(before)) == before
    assert len(after) == len(before) + 8


# --link -------------------------------------------------------------------------------------------


def test_whole_videos_are_linked_and_nothing_else(day: Path, recorded: Record, tmp_path: Path) -> None:
    v21 = recorded(version="v2.1", frames=(5, 3), tasks=("b", "c"), codec="h264", seed=4)
    other = shutil.copytree(v21, tmp_path / "other")
    before = digest(day), digest(other)
    report = lecompose.merge([day, other], out=tmp_path / "both", link=True)
    videos = [path for root in (day, other) for path in sorted(root.rglob("*.mp4"))]
    assert report.bytes_linked == sum(path.stat().st_size for path in videos)
    made = tmp_path / "both"
    assert {*inodes(made, "videos").values()} == {path.stat().st_ino for path in videos}
    rest = [path for path in made.rglob("*") if path.is_file() and path.suffix != ".mp4"]
    assert {path.stat().st_nlink for path in rest} == {1}
    assert_composed(made, every(day, other))
    lecompose.edit_tasks(made, in_place=True, task="wave")
    assert (digest(day), digest(other)) == before


def test_what_is_not_used_whole_is_copied(day: Path, tmp_path: Path) -> None:
    report = lecompose.delete(day, out=tmp_path / "out", episodes="0", link=True)
    linked = [path.name for path in (tmp_path / "out").rglob("*.mp4") if path.stat().st_nlink == 2]
    assert sorted(linked) == ["file-001.mp4"] * 2 + ["file-002.mp4"] * 2
    assert report.bytes_remuxed
    assert_composed(tmp_path / "out", [(day, n) for n in range(1, 5)])


def test_what_a_link_leads_to_is_copied(day: Path, tmp_path: Path) -> None:
    """It is somebody else's, as in a download cache."""
    for path in day.rglob("*.mp4"):
        there = tmp_path / "blobs" / path.relative_to(day)
        there.parent.mkdir(parents=True, exist_ok=True)
        path.rename(there)
        path.symlink_to(there)
    report = lecompose.merge(day, out=tmp_path / "out", link=True)
    assert report.bytes_linked == 0
    assert {path.stat().st_nlink for path in (tmp_path / "blobs").rglob("*.mp4")} == {1}
    lecompose.edit_tasks(day, in_place=True, task="wave")
    assert {path.stat().st_nlink for path in (tmp_path / "blobs").rglob("*.mp4")} == {1}
    assert lecompose.check(day) == []


def test_where_there_are_no_links_files_are_copied(
    day: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "another disk")

    lecompose.merge(day, out=tmp_path / "linked", link=True)
    monkeypatch.setattr(os, "link", link)
    report = lecompose.merge(day, out=tmp_path / "copied", link=True)
    assert report.bytes_linked == 0
    assert digest(tmp_path / "copied" / "videos") == digest(tmp_path / "linked" / "videos")
    lecompose.edit_tasks(day, in_place=True, task="wave")
    assert_composed(day, every(old), edited=retold(lambda *_: "wave"))


def test_a_video_that_changes_meanwhile_is_not_taken(day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def link(source: Any, to: Any, **how: Any) -> None:
        os.utime(source, ns=(1, 1))
        real(source, to, **how)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(ComposeError, match="changed while it was used"):
        lecompose.merge(day, out=day.parent / "out", link=True)
    assert not (day.parent / "out").exists()
