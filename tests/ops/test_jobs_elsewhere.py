"""Jobs that others carry out: planned, run in shares, finished, cancelled; the files are those of threads."""

import gc
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import CHECKOUT
from support.effort import every_nth

import lecompose
from lecompose.cli import main
from lecompose.composition.jobs import name_kind
from lecompose.composition.runners import worker
from lecompose.composition.runners.job_folder import open_job_folder
from lecompose.errors import (
    MediaError,
    OutputBusy,
    OutputUnwritable,
    RequestError,
    SourceError,
)
from recorder import record

Record = Callable[..., Path]
SMALL: dict[str, Any] = {
    "codec": "h264",
    "cameras": ("front",),
    "frames": (6, 5, 7),
    "frames_per_video_file": 8,
}
# Several files of each kind.
FILES = ("--data-mb", "0.001", "--no-concatenate-videos")


@pytest.fixture(autouse=True)
def stays_here() -> Iterator[None]:
    """`jobs finish` goes to the folder that the command was given in; a test comes back."""
    before = Path.cwd()
    yield
    os.chdir(before)


@pytest.fixture
def pair(recorded: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with copies `a` and `b` of two datasets, and the working folder of this process."""
    for n, name in enumerate(("a", "b")):
        shutil.copytree(recorded(**SMALL, seed=n), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def give(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words)])


def done(*words: object) -> str:
    result = give(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def files(root: Path) -> dict[str, bytes]:
    """Every file but those that remember the command."""
    found = {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if not name.endswith("lineage.parquet")}


def left_over(home: Path) -> list[str]:
    return sorted(path.name for path in home.rglob("*.lecompose"))


def planned(*words: object) -> Path:
    """The folder in which the jobs of a command are planned now."""
    return Path(json.loads(done("jobs", "plan", *words, "--json"))["planned"]["folder"])


def carry_out(folder: Path, *, shares: int = 2, rounds: int = 1) -> None:
    """What waits for other shares is done in the next round; workers are in another working folder."""
    before = Path.cwd()
    os.chdir("/")
    try:
        for n in [*range(1, shares + 1)] * rounds:
            lecompose.run_jobs(folder, shard=f"{n}/{shares}", threads=1)
    finally:
        os.chdir(before)


# The same files -------------------------------------------------------------------------------------


@every_nth(2)
@pytest.mark.parametrize(
    "words",
    [
        ("merge", "a", "b"),
        ("filter", "a", "--where", "length > 5"),
        ("split", "a", "--into", "x=0.5", "--into", "y=0.5"),
        ("merge", "a", "b", "--fps", "15"),
        ("stats", "a", "--images"),
        ("edit features", "a", "--add", "next.reward:float32=frame_index * 2"),
        ("merge", "a", "broken", "--skip-broken"),
        ("trim", "long", "--head", "7"),
    ],
    ids=lambda words: f"{words[0]} {words[-1]}",
)
def test_the_files_are_those_of_threads(pair: Path, words: tuple[str, ...]) -> None:
    if "broken" in words:
        shutil.copytree("b", "broken")
        max(Path("broken/videos").rglob("*.mp4")).unlink()
    if "long" in words:  # a clip's first frames are encoded by one, and copied behind them by another
        record(Path("long"), codec="h264", cameras=("front",), size=(64, 48), gop=5, frames=(18, 20), crf=20)
    verb = words[0].split()
    more = () if verb[0] == "stats" else FILES
    done(*verb, *words[1:], "-o", "here", *more)
    folder = planned(*verb, *words[1:], "-o", "there", *more)
    carry_out(folder, rounds=3 if {"--fps", "trim"} & {*words} else 1)
    done("jobs", "finish", folder)
    assert files(pair / "there") == files(pair / "here")
    assert len(files(pair / "there")) > 5
    assert left_over(pair) == []


def test_in_place(pair: Path) -> None:
    (pair / "a/notes.txt").write_text("mine")
    shutil.copytree("a", "here")
    done("edit", "tasks", "here", "--in-place", "--task", "wave")
    folder = planned("edit", "tasks", "a", "--in-place", "--task", "wave")
    carry_out(folder)
    done("jobs", "finish", folder)
    assert files(pair / "a") == files(pair / "here")
    assert left_over(pair) == []


def test_processes_in_other_folders(pair: Path) -> None:
    """Sources and output are relative where the command is given, and workers are elsewhere."""
    done("merge", "a", "b", "-o", "here", "--fps", "15", *FILES)
    folder = planned("merge", "a", "b", "-o", "there", "--fps", "15", *FILES)
    assert folder == pair / ".there.lecompose"
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "src")}
    command = [sys.executable, "-m", "lecompose", "jobs", "run", str(folder), "--json"]
    some = [
        subprocess.Popen([*command, "--shard", f"{n}/2"], cwd="/", env=environment, stdout=subprocess.PIPE)
        for n in (1, 2)
    ]
    told = [json.loads(process.communicate(timeout=60)[0]) for process in some]
    assert sorted(told[0]) == ["done", "waiting"]
    assert told[0]["done"]
    assert told[1]["done"]
    assert not {*told[0]["done"]} & {*told[1]["done"]}
    finish = [*command[:-3], "finish", str(folder), "--quiet"]
    subprocess.run(finish[: finish.index("--quiet")], cwd="/", env=environment, check=True, timeout=60)
    assert files(pair / "there") == files(pair / "here")
    assert left_over(pair) == []


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_ray_on_this_machine(pair: Path) -> None:
    """A cluster of one node, which ends with the command; `make cluster` has more."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, "-m", "lecompose", "filter", "a", "--where", "length > 5"]
    subprocess.run([*command, "-o", "there", "--runner", "ray"], env=environment, check=True, timeout=120)
    done(*command[3:], "-o", "here")
    assert files(pair / "there") == files(pair / "here")
    assert left_over(pair) == []


def test_threads_take_over(pair: Path) -> None:
    """What workers have done of the same request is not done again; and stays if this run fails."""
    done("merge", "a", "b", "-o", "here", *FILES)
    folder = planned("merge", "a", "b", "-o", "there", *FILES)
    lecompose.run_jobs(folder, shard="1/2")
    report = json.loads(done("merge", "a", "b", "-o", "there", *FILES, "--json"))
    assert any("kept from a run" in note for note in report["notes"]), report["notes"]
    assert files(pair / "there") == files(pair / "here")
    assert left_over(pair) == []


# How far it is --------------------------------------------------------------------------------------


def test_status(pair: Path) -> None:
    folder = planned("merge", "a", "b", "-o", "out", "--fps", "15", *FILES)
    said = done("jobs", "status", folder)
    assert "lecompose merge a b -o" in said
    assert "0 of " in said
    lecompose.run_jobs(folder, shard="1/2")
    found = lecompose.job_status(folder)
    assert 0 < found.done < found.jobs
    assert sum(kind.jobs for kind in found.kinds) == found.jobs
    assert {kind.kind for kind in found.kinds} >= {"data file", "encode clip", "video file", "check file"}
    told = json.loads(done("jobs", "status", folder, "--json"))
    assert (told["done"], told["jobs"], told["workers"]) == (found.done, found.jobs, 1)
    assert f"{found.done:,} of {found.jobs:,} jobs done" in done("jobs", "status", folder)


def test_cancel_leaves_nothing(pair: Path) -> None:
    before = sorted(os.listdir(pair))  # noqa: PTH208
    folder = planned("merge", "a", "b", "-o", "out")
    lecompose.run_jobs(folder, shard="1/2")
    done("jobs", "cancel", folder)
    assert sorted(os.listdir(pair)) == before  # noqa: PTH208
    for verb in ("run", "status", "finish", "cancel"):
        result = give("jobs", verb, folder)
        assert result.exit_code == 2
        assert "no jobs are planned here" in result.output


def test_a_worker_that_is_told_to_end(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM, as a preempted one gets it: what is done is kept, and it says so."""
    folder = planned("merge", "a", "b", "-o", "out", *FILES)
    ordinary, begun = worker.carry_out_job, []

    def end_at_the_second(*job: Any, **more: Any) -> Any:
        begun.append(job)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
        return ordinary(*job, **more)

    monkeypatch.setattr(worker, "carry_out_job", end_at_the_second)
    result = give("jobs", "run", folder, "--threads", "1")
    assert result.exit_code == 143, result.output
    assert "What is done is kept" in result.output
    assert 1 <= lecompose.job_status(folder).done <= 2
    monkeypatch.undo()
    carry_out(folder)
    done("jobs", "finish", folder)
    assert left_over(pair) == []


@pytest.mark.parametrize("more", [(), ("--rewrite-data",)], ids=["copied", "decoded"])
def test_jobs_leave_nothing_in_memory(recorded: Record, tmp_path: Path, more: tuple[str, ...]) -> None:
    """What a job reads is free when it is done, however seldom Python looks for garbage in cycles."""
    source = recorded(**SMALL | {"frames": (2,) * 12, "cameras": (), "frames_per_data_file": 2})
    folder = planned("merge", source, "-o", tmp_path / "out", "--data-mb", "0.0001", *more)
    held: list[int] = []
    gc.collect()
    gc.disable()
    try:
        lecompose.run_jobs(folder, threads=1, on_done=lambda title: held.append(len(gc.get_objects())))
    finally:
        gc.enable()
    assert len(held) > 10
    assert held[-1] - held[2] < 5 * len(held)  # a record a job
    done("jobs", "cancel", folder)


# What is refused ------------------------------------------------------------------------------------


@every_nth(3)
@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_a_share_that_does_not_exist(pair: Path, shard: str) -> None:
    folder = planned("merge", "a", "b", "-o", "out")
    expected = "1/2 to 2/2 is needed" if shard.endswith("/2") else "1/64 to 64/64"
    with pytest.raises(RequestError, match=expected):
        lecompose.run_jobs(folder, shard=shard)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runner": "dask"}, "one of threads, ray"),
        ({"runner": "ray://"}, "one of threads, ray"),
        ({"runner": "slurm://x"}, "one of threads, ray"),
        ({"slurm": "mem=4G"}, "--slurm needs --runner slurm"),
        ({"wait": True}, "--wait needs --runner slurm"),
        ({"runner": "ray", "wait": True}, "--wait needs --runner slurm"),
        ({"runner": "slurm", "slurm": "array=1-5"}, "array: lecompose sets it"),
        ({"runner": "slurm", "slurm": "--dependency=afterok:1"}, "dependency: lecompose sets it"),
        ({"runner": "slurm", "slurm": "tasks=0"}, "a whole number above 0"),
        ({"runner": "slurm", "slurm": "at-once=many"}, "a whole number above 0"),
        ({"runner": "slurm", "slurm": "comment='"}, "--slurm cannot be read"),
    ],
)
def test_runners_that_do_not_exist(pair: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        lecompose.merge(["a", "b"], out="out", **options)
    assert left_over(pair) == []


def test_nobody_to_carry_them_out(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "ray", None)
    for options, message in (
        ({"runner": "slurm"}, "no sbatch here"),
        ({"runner": "slurm", "wait": True}, "no sbatch here"),
        ({"runner": "ray"}, "Ray is not installed"),
    ):
        with pytest.raises(RequestError, match=message):
            lecompose.merge(["a", "b"], out="out", **options)
        assert sorted(os.listdir(pair)) == ["a", "b"]  # noqa: PTH208


def test_values_of_python_cannot_be_left(pair: Path) -> None:
    values = {"who": np.array([f"n{n}" for n in range(sum(SMALL["frames"]))])}
    with pytest.raises(RequestError, match="values of Python"):
        lecompose.edit_features("a", out="out", values=values, runner="plan")
    assert sorted(os.listdir(pair)) == ["a", "b"]  # noqa: PTH208


def test_another_request_for_the_same_output(pair: Path) -> None:
    folder = planned("merge", "a", "b", "-o", "out")
    for words in (
        ("merge", "b", "a", "-o", "out"),
        ("jobs", "plan", "filter", "a", "-o", "out", "--where", "true"),
    ):
        result = give(*words)
        assert result.exit_code == OutputBusy.exit_code
        assert "jobs of another request are planned for this output: lecompose merge a b -o" in result.output
        assert f"lecompose jobs finish {folder}, or jobs cancel" in result.output
    carry_out(folder)
    done("jobs", "finish", folder)


def test_a_source_that_has_changed(pair: Path) -> None:
    folder = planned("merge", "a", "b", "-o", "out")
    changed = next(Path("b").rglob("*.mp4"))
    time.sleep(0.02)
    os.utime(changed)
    lecompose.run_jobs(folder)
    result = give("jobs", "finish", folder)
    assert result.exit_code == OutputBusy.exit_code
    assert f'"{pair / changed}" has changed since these jobs were planned' in result.output
    done("jobs", "cancel", folder)
    done("merge", "a", "b", "-o", "out")
    assert left_over(pair) == []


def test_files_that_are_missing(pair: Path) -> None:
    folder = planned("merge", "a", "b", "-o", "out", *FILES)
    result = give("jobs", "finish", folder)
    assert result.exit_code == OutputUnwritable.exit_code
    assert "files are not written yet" in result.output
    assert f"lecompose jobs run {folder}" in result.output
    lecompose.run_jobs(folder)
    done("jobs", "finish", folder)
    assert left_over(pair) == []


def test_what_fails_on_one_machine_is_tried_on_another(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is named; whoever finishes on another one carries the job out."""
    folder = planned("merge", "a", "b", "-o", "out", *FILES)
    with monkeypatch.context() as bad:
        bad.setenv("SLURMD_NODENAME", "bad-node")
        bad.setattr(worker, "carry_out_job", fail_on(worker.carry_out_job, "data file"))
        result = give("jobs", "run", folder)
        assert "tried 3 times on bad-node: " in result.output
        result = give("jobs", "finish", folder)
        assert "tried 3 times on bad-node: " in result.output
    lecompose.run_jobs(folder, shard="1/1000")  # another one has nothing to do
    done("jobs", "finish", folder)
    done("merge", "a", "b", "-o", "here", *FILES)
    assert files(pair / "out") == files(pair / "here")
    assert left_over(pair) == []


def fail_on(carry_out_job: Callable[..., Any], kind: str) -> Callable[..., Any]:
    def failing(job: Any, *given: Any, **more: Any) -> Any:
        if name_kind(job) == kind:
            raise MediaError("there is no such disk here")
        return carry_out_job(job, *given, **more)

    return failing


def test_a_preview_tells_what_will_be_encoded(pair: Path) -> None:
    words = ("merge", "a", "b", "-o", "out", "--fps", "15", "--json")
    dry = json.loads(done(*words, "--dry-run"))
    planned = json.loads(done("jobs", "plan", *words))
    for told in (dry, planned):
        assert told["bytes_encoded_video"] > 0
        assert told["bytes_remuxed"] == 0
        assert told["bytes_encoded"] > told["bytes_encoded_video"]
    done("jobs", "cancel", planned["planned"]["folder"])
    dry = json.loads(done("merge", "a", "b", "-o", "out", "--json", "--dry-run"))
    assert dry["bytes_encoded_video"] == 0 < dry["bytes_remuxed"]


def test_a_job_that_fails_is_named(pair: Path) -> None:
    """Its error and class are told, all others are done, and it goes on once the source is as it was."""
    video = max(Path("b").rglob("*.mp4"))
    stamps, content = video.stat(), video.read_bytes()
    folder = planned("merge", "a", "b", "-o", "out", "--fps", "15", *FILES)
    video.write_bytes(content[:100])
    result = give("jobs", "run", folder)
    assert result.exit_code in (MediaError.exit_code, SourceError.exit_code), result.output
    assert "tried 3 times" in result.output
    assert "encode clip" in result.output
    assert "failed 3 times" in done("jobs", "status", folder)
    found = lecompose.job_status(folder)
    assert {failed.tries for failed in found.failed} == {3}
    assert found.done > 0
    video.write_bytes(content)
    os.utime(video, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    carry_out(folder, shares=1)
    done("jobs", "finish", folder)
    done("merge", "a", "b", "-o", "here", "--fps", "15", *FILES)
    assert files(pair / "out") == files(pair / "here")
    assert left_over(pair) == []


# What workers wrote is not what they said -----------------------------------------------------------


def spoil(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "shorter":
        path.write_bytes(content[:-1])
    else:
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


@every_nth(3)
@pytest.mark.parametrize(
    ("suffix", "how"), [(".parquet", "gone"), (".parquet", "other bytes"), (".mp4", "shorter")]
)
def test_it_is_made_again(pair: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, how: str) -> None:
    monkeypatch.setattr(worker, "_STALE_S", 0.0)
    done("merge", "a", "b", "-o", "here", "--fps", "15", *FILES)
    folder = planned("merge", "a", "b", "-o", "out", "--fps", "15", *FILES)
    # The clips are encoded and the data written; no video file is yet.
    lecompose.run_jobs(folder, shard="1/1") if suffix == ".parquet" else _encode(folder)
    spoil(min((folder / "jobs/files").rglob(f"*{suffix}")), how)
    for _ in range(4):
        give("jobs", "run", folder)
        if give("jobs", "finish", folder).exit_code == 0:
            break
    assert files(pair / "out") == files(pair / "here")
    assert left_over(pair) == []


def _encode(folder: Path) -> None:
    jobs = open_job_folder(folder)
    worker.carry_out_tasks(jobs, [task for task in jobs.jobs.tasks if task.kind == "encode clip"])


def test_a_file_that_shows_up_late(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = planned("merge", "a", "b", "-o", "out")
    carry_out(folder)
    path = min((folder / "jobs/files").rglob("*.mp4"))
    hidden = pair / "hidden"
    path.rename(hidden)
    monkeypatch.setattr(worker.time, "sleep", lambda _: hidden.rename(path) if hidden.exists() else None)
    done("jobs", "finish", folder)
    assert left_over(pair) == []


def test_a_worker_that_comes_back_late(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others have finished meanwhile: it ends, says so, and leaves nothing."""
    folder = planned("merge", "a", "b", "-o", "out", *FILES)
    ordinary, after = worker.checksum_file, []

    def finish_first(*arguments: Any) -> Any:
        if not after:
            monkeypatch.undo()
            after.append(folder)
            carry_out(folder)
            done("jobs", "finish", folder)
        return ordinary(*arguments)

    monkeypatch.setattr(worker, "checksum_file", finish_first)
    result = give("jobs", "run", folder, "--threads", "1")
    assert after
    assert "the jobs are gone" in result.output
    assert left_over(pair) == []


def test_a_worker_that_comes_back_to_other_jobs(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jobs were cancelled, and others are planned in their place: it takes no part in them."""
    folder = planned("merge", "a", "b", "-o", "out", *FILES)
    ordinary, after = worker.checksum_file, []

    def plan_others_first(*arguments: Any) -> Any:
        if not after:
            after.append(folder)
            done("jobs", "cancel", folder)
            assert planned("merge", "b", "a", "-o", "out", *FILES) == folder
        return ordinary(*arguments)

    monkeypatch.setattr(worker, "checksum_file", plan_others_first)
    result = give("jobs", "run", folder, "--threads", "1")
    assert "the jobs are gone" in result.output
    assert lecompose.job_status(folder).done == 0
    assert not [*(folder / "jobs/files").iterdir()]
    done("jobs", "cancel", folder)
    assert left_over(pair) == []
