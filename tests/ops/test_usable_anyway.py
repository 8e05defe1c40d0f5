"""Datasets of which something is missing that the request does without."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broken.damage import DATA, column, edit_parquet, put

import lecompose

Record = Callable[..., Path]
PLAIN: dict[str, Any] = {"cameras": (), "frames": (4, 3, 5)}


@pytest.fixture
def gap(make_dataset: Record) -> Path:
    """The last episode has a gap in its frame_index."""
    root = make_dataset("day", version="v2.1", **PLAIN)
    edit_parquet(DATA, column("frame_index", lambda v: [*v[:-1], v[-1] + 3]))(root)
    return root


def test_a_broken_episode_may_be_deleted(gap: Path, tmp_path: Path) -> None:
    report = lecompose.delete(gap, out=tmp_path / "out", episodes=[2])
    assert any("not taken, and broken" in note and "episode 2" in note for note in report.notes)
    assert lecompose.check(tmp_path / "out") == []
    with pytest.raises(lecompose.SourceBroken, match="episode 2"):
        lecompose.delete(gap, out=tmp_path / "other", episodes=[1])
    report = lecompose.delete(gap, out=tmp_path / "saved", episodes=[2], skip_broken=True)
    assert (len(report.dropped), lecompose.info(tmp_path / "saved").episodes) == (1, 2)


def test_a_filter_may_pass_over_a_broken_episode(gap: Path, tmp_path: Path) -> None:
    report = lecompose.filter(gap, out=tmp_path / "out", where="src_episode < 2", dry_run=True)
    assert any("not taken, and broken" in note for note in report.notes)
    with pytest.raises(lecompose.SourceBroken, match="episode 2"):
        lecompose.filter(gap, out=tmp_path / "out", where="src_episode > 0", dry_run=True)
    with pytest.raises(lecompose.SourceBroken, match="episode 2"):
        lecompose.filter(gap, out=tmp_path / "out", where="src_episode > 7", dry_run=True)


def test_a_filter_by_frames_needs_the_frames(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("day", version="v2.1", **PLAIN)
    put(DATA, None)(root)
    ask = {"where_frames": "max(frame_index) >= 0", "dry_run": True}
    with pytest.raises(lecompose.SourceBroken, match="episode 2"):
        lecompose.filter(root, out=tmp_path / "out", **ask)
    assert lecompose.filter(root, out=tmp_path / "out", where="src_episode < 2", **ask).frames == 7
    assert lecompose.filter(root, out=tmp_path / "out", skip_broken=True, **ask).frames == 7


def emptied(root: Path) -> Path:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"total_episodes": 0, "total_frames": 0}))
    shutil.rmtree(root / "data")
    shutil.rmtree(root / "meta/episodes", ignore_errors=True)
    for path in root.glob("meta/episodes*.jsonl"):
        path.write_text("")
    return root


def test_an_empty_source_gives_nothing(make_dataset: Record, tmp_path: Path) -> None:
    day, empty = make_dataset("day", **PLAIN), emptied(make_dataset("empty", **PLAIN))
    report = lecompose.merge([empty, day], out=tmp_path / "out", dry_run=True)
    assert report.outputs[0].episodes == 3
    assert any("no episode" in note and str(empty) in note for note in report.notes)
    with lecompose.open([empty, day]) as both:
        assert both.query("select count(*) n from episodes").to_pydict() == {"n": [3]}
        assert [note for note in both.notes if "no episode" in note and str(empty) in note]
    with pytest.raises(lecompose.SourceBroken, match="no source has an episode"):
        lecompose.merge([empty, empty], out=tmp_path / "out")


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_dataset_without_an_episode(version: str, make_dataset: Record, tmp_path: Path) -> None:
    root, out = emptied(make_dataset("day", version=version, **PLAIN)), tmp_path / "out"
    for operation in (
        lambda: lecompose.merge(root, out=out),
        lambda: lecompose.delete(root, out=out, episodes=[0]),
        lambda: lecompose.repair(root, out=out),
        lambda: lecompose.query(root, "from episodes"),
        lambda: lecompose.stats(root),
    ):
        with pytest.raises(lecompose.SourceBroken, match=r"no episode was recorded. Try: record one"):
            operation()
    found = lecompose.info(root)
    assert (found.episodes, found.version, found.problems) == (0, version, ("no episode was recorded",))
    assert "no_episodes" in {finding.code for finding in lecompose.check(root)}


@pytest.mark.parametrize("name", ["a*\\b", "a[b\\c", "?\\"])
def test_a_path_that_globs_take_for_another_is_refused(
    name: str, make_dataset: Record, tmp_path: Path
) -> None:
    day = make_dataset("day", **PLAIN)
    with pytest.raises(lecompose.RequestError, match="backslash"):
        lecompose.merge(day, out=tmp_path / name)
    day.rename(tmp_path / name)
    for read in (lecompose.info, lecompose.check):
        with pytest.raises(lecompose.SourceBroken, match=r"backslash.*rename"):
            read(tmp_path / name)


@pytest.mark.parametrize(("version", "name"), [("v2.1", "tasks.jsonl"), ("v3.0", "tasks.parquet")])
def test_a_new_task_for_all_needs_no_task_list(
    version: str, name: str, make_dataset: Record, tmp_path: Path
) -> None:
    root = make_dataset("day", version=version, **PLAIN)
    put(f"meta/{name}", None)(root)
    with pytest.raises(lecompose.SourceBroken, match=f"{name} is missing"):
        lecompose.edit_tasks(root, out=tmp_path / "out", replace={"pick": "wave"})
    lecompose.edit_tasks(root, out=tmp_path / "out", task="wave")
    assert [task.task for task in lecompose.info(tmp_path / "out").tasks] == ["wave"]
    assert lecompose.check(tmp_path / "out") == []


def test_a_folder_of_datasets_names_them(make_dataset: Record, tmp_path: Path) -> None:
    one, two = make_dataset("one", **PLAIN), make_dataset("two", **PLAIN)
    with pytest.raises(lecompose.SourceNotFound, match='a folder with 2 datasets: "one", "two"') as error:
        lecompose.merge(one.parent, out=tmp_path / "out")
    assert error.value.hint == f"{one} {two}"


@pytest.mark.parametrize(
    "parts", [(0.6666667, 0.3333334), (0.3333333, 0.3333333, 0.3333333), (2 / 3, 1 / 3 + 1e-7)]
)
def test_rounded_fractions_are_the_whole(
    parts: tuple[float, ...], make_dataset: Record, tmp_path: Path
) -> None:
    day = make_dataset("day", **PLAIN)
    into = {f"part{n}": share for n, share in enumerate(parts)}
    report = lecompose.split(day, out=tmp_path / "out", into=into, dry_run=True)
    assert sum(output.episodes for output in report.outputs) == 3
    with pytest.raises(lecompose.RequestError, match="over 1"):
        lecompose.split(day, out=tmp_path / "out", into={**into, "more": 1e-5}, dry_run=True)


def test_data_without_any_footer_cannot_be_saved(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("day", **PLAIN)
    (file,) = root.glob(DATA)
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(lecompose.SourceBroken, match=r"no footer.*Try: fetch the data files again, or rec"):
        lecompose.repair(root, out=tmp_path / "out")
