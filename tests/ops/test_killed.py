"""Killed, interrupted, twice at once, out of room or of open files: nothing lost; the next run goes on."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT, digest
from support.effort import every_nth, thorough

import lecompose
from lecompose.errors import OutputBusy

Record = Callable[..., Path]
INPUT_PROBLEMS = ("wrong_outputs", "left_over", "sources_changed", "wrong_codes", "unclear_messages")
SMALL: dict[str, Any] = {"codec": "h264", "cameras": ("front",)}
# What takes longer than any test may wait.
ENDLESS = "(select count(*) from range(1000000000000) t(i) where i % 7 = length)"

# Runs the command line, and before the stage named first says so and waits for a word, or kills itself.
DRIVER = """
import os, sys
from lecompose.composition import execute
from lecompose.cli import main
at, then = sys.argv[1:3]
def trapped(run, work):
    if then == "kill":
        os.kill(os.getpid(), 9)
    print("there", flush=True)
    sys.stdin.readline()
    work(run)
execute.STAGES = tuple(
    (name, (lambda run, work=work: trapped(run, work)) if name == at else work)
    for name, work in execute.STAGES
)
main(sys.argv[3:])
"""


def started(*command: object, **options: Any) -> subprocess.Popen[str]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
    words = [sys.executable, *map(str, command)]
    return subprocess.Popen(words, text=True, env=environment, **pipes, **options)


def killed_before(stage: str, *arguments: object) -> None:
    with started("-c", DRIVER, stage, "kill", *arguments) as process:
        assert process.wait(60) == -signal.SIGKILL


@contextmanager
def waiting_before(stage: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    with started("-c", DRIVER, stage, "wait", *arguments) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "there\n"
            yield process
        finally:
            process.kill()


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Killed ---------------------------------------------------------------------------------------------


def test_a_short_torture(tmp_path: Path) -> None:
    """A few kills and faults; `make torture` does hundreds, and says more."""
    counts = tmp_path / "counts.json"
    few = ("--kills", 2, "--faults", 1, "--inputs", 1, "--jobs", "cut")
    with started(CHECKOUT / "tests/torture", *few, "--json", counts) as process:
        _, problems = process.communicate(timeout=600)
    assert (process.returncode, problems) == (0, "")
    found = json.loads(counts.read_text())
    assert found["kills"] >= 2
    assert found["runs_resumed"] >= 1
    assert {found[name] for name in ("sources_changed", "wrong_outputs", "left_over", "not_resumed")} == {0}
    assert found["inputs"]["tried"] == 1
    assert {found["inputs"][name] for name in INPUT_PROBLEMS} == {0}


def test_nothing_was_lost() -> None:
    """docs/torture.json is what `make torture` wrote, and what `make docs` quotes."""
    found = json.loads((CHECKOUT / "docs/torture.json").read_text())
    assert {found[name] for name in ("sources_changed", "wrong_outputs", "left_over", "not_resumed")} == {0}
    broken = found.get("inputs", {})
    # Those that were told wrong by our own tables, and tried again once these were corrected, are named.
    assert sum(broken.get(name, 0) for name in INPUT_PROBLEMS) == len(broken.get("judged_again", ()))


def test_the_report_says_what_was_taken_over(recorded: Record, tmp_path: Path) -> None:
    source, out = recorded(**SMALL), tmp_path / "out"
    whole = lecompose.merge(source, out=tmp_path / "reference" / "out")
    killed_before("stats", "merge", source, "-o", out)
    assert held(tmp_path) == [".out.lecompose", "reference"]
    report = lecompose.merge(source, out=out)
    assert (report.files_resumed, whole.files_resumed) == (2, 0)
    assert (report.bytes_encoded, report.bytes_remuxed) == (0, 0)
    assert "2 files were kept from a run that was killed" in report.notes
    assert digest(out) == digest(tmp_path / "reference" / "out")
    assert held(tmp_path) == ["out", "reference"]


@thorough
def test_a_repair_goes_on_too(make_dataset: Record, tmp_path: Path) -> None:
    """Though what it reads, some of it cut, is made anew."""
    source, out = make_dataset(name="source", frames_per_video_file=100, **SMALL), tmp_path / "out"
    (path,) = source.rglob("*.mp4")
    path.write_bytes(path.read_bytes()[:-200])
    killed_before("stats", "repair", source, "-o", out)
    report = lecompose.repair(source, out=out)
    assert (report.files_resumed, report.episodes) == (2, 2)
    assert (report.bytes_copied, report.bytes_remuxed) == (0, 0)
    lecompose.repair(source, out=tmp_path / "reference/out")
    assert digest(out) == digest(tmp_path / "reference/out")


def test_a_clip_that_was_encoded_anew_is_not_encoded_again(
    make_dataset: Record, recorded: Record, tmp_path: Path
) -> None:
    source, out = make_dataset(name="source", frames=(7, 10, 3), **SMALL), tmp_path / "out"
    one = recorded(frames=20, gop=12, **SMALL)  # its episodes start between keyframes
    for path in source.rglob("*.mp4"):
        shutil.copyfile(one / path.relative_to(source), path)
    request: dict[str, Any] = {"out": out, "episodes": "0"}
    killed_before("stats", "delete", source, "-o", out, "--episodes", "0")
    report = lecompose.delete(source, **request)
    assert report.reencoded
    assert report.frames_decoded == 0
    again = lecompose.delete(source, **request, overwrite=True)
    assert [c.clip for c in again.reencoded] == [c.clip for c in report.reencoded]
    assert again.frames_decoded > 0


@thorough
def test_another_request_says_what_it_removed(recorded: Record, tmp_path: Path) -> None:
    source, out = recorded(**SMALL), tmp_path / "out"
    killed_before("stats", "merge", source, "-o", out)
    report = lecompose.merge([source, source], out=out)
    assert report.files_resumed == 0
    assert [note for note in report.notes if "for another request were removed" in note] != []
    assert held(tmp_path) == ["out"]


def test_a_mistake_in_between_costs_nothing(recorded: Record, tmp_path: Path) -> None:
    source, out = recorded(**SMALL), tmp_path / "out"
    killed_before("stats", "merge", source, "-o", out)
    for wrong in ({"sources": tmp_path / "missing"}, {"sources": source, "cast": {"nothing": "float32"}}):
        with pytest.raises(lecompose.ComposeError):
            lecompose.merge(out=out, **wrong)
    assert lecompose.merge(source, out=out).files_resumed == 2


def test_a_source_that_changed_in_between_is_written_again(
    make_dataset: Record, recorded: Record, tmp_path: Path
) -> None:
    source, out = make_dataset(name="source", **SMALL), tmp_path / "out"
    killed_before("stats", "merge", source, "-o", out)
    for path in source.glob("data/*/*"):
        path.write_bytes(path.read_bytes())
    assert lecompose.merge(source, out=out).files_resumed == 0


@thorough
def test_a_dry_run_neither_removes_nor_resumes(recorded: Record, tmp_path: Path) -> None:
    source, out = recorded(**SMALL), tmp_path / "out"
    killed_before("stats", "merge", source, "-o", out)
    before = digest(tmp_path)
    assert lecompose.merge(source, out=out, dry_run=True).bytes_needed > 0
    assert lecompose.filter(source, out=out, where="length > 3", dry_run=True).episodes == 3
    assert digest(tmp_path) == before


# Twice at once ----------------------------------------------------------------------------------------


@every_nth(3)
@pytest.mark.parametrize("stage", ["data", "verify", "publish"])
def test_of_two_runs_the_second_says_so_and_stops(stage: str, recorded: Record, tmp_path: Path) -> None:
    source, out = recorded(**SMALL), tmp_path / "out"
    with waiting_before(stage, "merge", source, "-o", out, "--quiet") as first:
        with started("-m", "lecompose", "merge", source, "-o", out, "--overwrite") as second:
            said = second.communicate(timeout=60)[1]
        assert second.returncode == 5
        assert f"process {first.pid} " in said
        with pytest.raises(OutputBusy):
            lecompose.split(source, out=out, into={"a": 1.0})
        assert first.communicate("go on\n", timeout=60) == ("", "")
    assert first.returncode == 0
    assert lecompose.check(out) == []
    assert held(tmp_path) == ["out"]


# Interrupted ------------------------------------------------------------------------------------------


@every_nth(3)
@pytest.mark.parametrize(
    "command",
    [
        ("filter", "--where", f"{ENDLESS} > 0"),
        ("filter", "--where-frames", "(select count(*) from range(1000000000000) t(i) where i % 7 = 3) > 0"),
        ("sort", "--by", ENDLESS),
        ("query", f"select {ENDLESS} from episodes"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_ctrl_c_ends_a_query_at_once(command: tuple[str, ...], recorded: Record, tmp_path: Path) -> None:
    verb, *rest = command
    arguments = [verb, recorded(cameras=()), *rest]
    if verb != "query":
        arguments += ["-o", tmp_path / "out"]
    with started("-c", MARKED, *arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        time.sleep(0.5)
        assert process.poll() is None
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert time.monotonic() - sent < 30  # a second, and what a busy machine adds; the query has minutes to go
    assert (process.returncode, said) == (130, "interrupted; the output is as it was before.\n")
    assert held(tmp_path) == []


# The command line, which says when a user's SQL is about to be run.
MARKED = """
import sys
import lecompose.api.datasets, lecompose.api.operations
from lecompose.cli import main
from lecompose.engine.sandbox import Sandbox
refuse = Sandbox._refuse
def told(self, text):
    print("asked", flush=True)
    refuse(self, text)
Sandbox._refuse = told
main(sys.argv[1:])
"""


# Few means --------------------------------------------------------------------------------------------


@thorough
def test_many_files_with_few_of_them_open(recorded: Record, tmp_path: Path) -> None:
    """Sources of 280 data files and 280 videos, of which a process may hold 128."""
    source = recorded(version="v2.1", frames=(2,) * 140, size=(32, 32), **SMALL)

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    for verb, rest in (
        ("merge", (source, "-o", tmp_path / "merged")),
        ("sample", ("-o", tmp_path / "mixed", "--data-mb", "0.02", "--video-mb", "0.01")),
    ):
        with started("-m", "lecompose", verb, source, *rest, "--quiet", preexec_fn=few) as process:
            assert process.communicate(timeout=300) == ("", "")
        assert process.returncode == 0
    assert lecompose.info(tmp_path / "merged").episodes == 280
    assert lecompose.info(tmp_path / "mixed").data.files > 3
