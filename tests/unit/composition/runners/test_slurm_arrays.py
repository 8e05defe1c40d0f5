"""What sbatch, squeue and scontrol are asked, and what is made of their answers; none of them is real."""

from pathlib import Path

import pytest

from lecompose.composition.machines import Machines, SlurmOptions, parse_machines
from lecompose.composition.runners import slurm_arrays
from lecompose.errors import RequestError


def make_command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_words_of_sbatch() -> None:
    said = "partition=cpu --time=2:00:00 mem=4G tasks=64 at-once=16 exclusive comment='two words'"
    assert parse_machines("slurm", said, wait=True) == Machines(
        "slurm",
        slurm=SlurmOptions(
            ("--partition=cpu", "--time=2:00:00", "--mem=4G", "--exclusive", "--comment=two words"),
            tasks=64,
            at_once=16,
            memory="4G",
        ),
        wait=True,
    )


def test_who_leaves() -> None:
    left = {
        name: parse_machines(name, None, wait=False).leaves
        for name in (None, "ray", "slurm", "plan", "finish")
    }
    assert left == {None: False, "ray": False, "slurm": True, "plan": True, "finish": False}
    assert not parse_machines("slurm", None, wait=True).leaves
    assert parse_machines("ray://head:10001", None, wait=False).address == "ray://head:10001"


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (None, ""),
        ("4G", " --memory 4GiB"),
        ("500", " --memory 500MiB"),
        ("0", ""),
        ("80%", ""),
    ],
)
def test_what_a_task_may_use(memory: str | None, words: str) -> None:
    said = slurm_arrays._resources(SlurmOptions(memory=memory))
    assert said == "--threads ${SLURM_CPUS_PER_TASK:-1}" + words


def test_numbers_and_refusals(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "5")
    make_command(commands, "sbatch", 'test -z "$SLURM_ARRAY_TASK_ID" && echo "17;cluster"')
    assert slurm_arrays._submit("true", "--array=1-3") == "17"
    make_command(commands, "sbatch", "echo 'invalid partition specified: cpu' >&2; exit 1")
    with pytest.raises(
        RequestError, match=r"SLURM refuses the jobs: invalid partition specified: cpu\. Try: --slurm"
    ):
        slurm_arrays._submit("true")


@pytest.mark.parametrize(
    ("script", "is_queued"),
    [
        ("echo 17_1; echo 17_2", True),
        ("true", False),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", False),
        ("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", True),
    ],
)
def test_whether_it_is_queued(commands: Path, script: str, *, is_queued: bool) -> None:
    make_command(commands, "squeue", script)
    assert slurm_arrays._is_queued(["17", "18"]) is is_queued


@pytest.mark.parametrize(
    ("bad", "can"),
    [({"n1"}, True), ({"n1", "n2"}, False), ({"n1", "login"}, False), ({"n3"}, True)],
    ids=["one node", "all that work", "also no node", "one that is down"],
)
def test_what_fails_on_a_node_is_tried_on_others(commands: Path, bad: set[str], *, can: bool) -> None:
    make_command(
        commands, "sinfo", 'case "$*" in *--states*) echo n1; echo n2;; *) echo n1; echo n2; echo n3;; esac'
    )
    make_command(commands, "sbatch", "exit 1")
    arrays = slurm_arrays.SlurmArrays(SlurmOptions())
    assert arrays.can_try_elsewhere(bad) is can
    chosen = slurm_arrays.SlurmArrays(SlurmOptions(("--nodelist=n1",)))
    assert not chosen.can_try_elsewhere(bad)


def test_the_largest_array(commands: Path) -> None:
    make_command(commands, "scontrol", "echo 'MaxArraySize            = 65'")
    assert slurm_arrays._largest_array() == 64
    make_command(commands, "scontrol", "exit 1")
    assert slurm_arrays._largest_array() == 1000
