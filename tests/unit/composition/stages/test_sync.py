"""What is on disk before an output is put in place: every file and every folder, and nothing twice."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lecompose
from lecompose.composition import execute
from lecompose.composition.stages.publish import publish
from lecompose.composition.stages.sync import sync
from lecompose.errors import OutputUnwritable


def test_everything_is_synced_before_it_is_published_and_its_name_after(
    recorded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())
        real(fd)

    def seen(run: Any) -> None:
        wanted = {*run.staging.outputs.rglob("*"), run.staging.outputs}
        assert len(wanted) > 10
        assert wanted <= set(synced)
        synced.clear()
        publish(run)
        assert tmp_path / "new" in synced
        assert run.staging.folder / "manifest.jsonl" in synced

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc to tell what a descriptor is of")
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(execute, "STAGES", (*execute.STAGES[:-1], ("publish", seen)))
    source = recorded(codec="h264", cameras=("front",))
    lecompose.split(source, out=tmp_path / "new" / "parts", into={"a": 0.5, "b": 0.5})
    assert lecompose.check(tmp_path / "new" / "parts" / "a") == []


def test_data_and_videos_are_on_their_way_while_other_stages_work(
    recorded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []

    def fsync(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())

    def seen(run: Any) -> None:
        run.disk.wait()
        outputs = run.staging.outputs
        large = {*outputs.glob("*/data/*/*.parquet"), *outputs.glob("*/videos/*/*/*.mp4")}
        assert len({path.suffix for path in large}) == 2
        assert {path for path in synced if path.is_relative_to(outputs)} == large
        sync(run)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc to tell what a descriptor is of")
    monkeypatch.setattr(os, "fsync", fsync)
    stages = (("sync", seen) if name == "sync" else (name, stage) for name, stage in execute.STAGES)
    monkeypatch.setattr(execute, "STAGES", tuple(stages))
    lecompose.merge(recorded(codec="h264", cameras=("front",)), out=tmp_path / "out")
    assert synced


def test_a_run_that_fails_leaves_nothing_at_work(
    recorded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    def broken(run: Any) -> None:
        run.disk.begin(lambda path: begun.append(path) or time.sleep(0.05), [tmp_path] * 1000)
        raise OutputUnwritable("broken")

    stages = ((name, broken if name == "verify" else stage) for name, stage in execute.STAGES)
    monkeypatch.setattr(execute, "STAGES", tuple(stages))
    with pytest.raises(OutputUnwritable, match="broken"):
        lecompose.merge(recorded(cameras=()), out=tmp_path / "out")
    number = len(begun)
    assert 0 < number < 1000
    time.sleep(0.1)
    assert len(begun) == number


def test_a_disk_that_does_not_take_it(
    recorded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink().suffix == ".mp4":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutputUnwritable, match="the disk refused the output"):
        lecompose.merge(recorded(codec="h264", cameras=("front",)), out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_synced_is_no_fault(
    recorded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems know no fsync of folders."""

    def fsync(fd: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{fd}"):  # noqa: PTH112
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", fsync)
    assert lecompose.merge(recorded(cameras=()), out=tmp_path / "out").episodes == 3
