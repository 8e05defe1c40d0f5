"""What the command line does where its output cannot go where it should."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.effort import every_nth

import lecompose

Record = Callable[..., Path]
LECOMPOSE = [sys.executable, "-m", "lecompose"]
FULL = Path("/dev/full")


def run(*words: object, stdout: int | None = subprocess.PIPE) -> tuple[int, str]:
    done = subprocess.run(
        [*LECOMPOSE, *map(str, words)], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )
    return done.returncode, done.stderr


@every_nth(2)
@pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("words", [["info"], ["check"], ["query", "select 1"], ["--help"]])
def test_a_full_disk_below_stdout_is_told(words: list[str], recorded: Record) -> None:
    root = recorded(cameras=())
    with FULL.open("w") as full:
        code, said = run(words[0], *([root] if words != ["--help"] else []), *words[1:], stdout=full.fileno())
    assert (code, said) == (5, "error: stdout cannot be written: No space left on device\n")


def test_a_closed_stdout_hinders_nothing(recorded: Record, tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = '"$@" >&-'
    words = ["sh", "-c", line, "sh", *LECOMPOSE, "merge", str(recorded(cameras=())), "-o", str(out)]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert lecompose.check(out) == []


def test_names_that_no_folder_can_have(recorded: Record, tmp_path: Path) -> None:
    with pytest.raises(lecompose.OutputUnwritable, match="File name too long"):
        lecompose.merge(recorded(cameras=()), out=tmp_path / ("x" * 300))


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_dataset_is_not_told_to_be_overwritten(
    overwrite: bool, recorded: Record, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    for name in ("folder", "file"):
        with pytest.raises(lecompose.OutputExists) as error:
            lecompose.merge(recorded(cameras=()), out=tmp_path / name, overwrite=overwrite)
        assert error.value.hint == "another -o"


def test_lost_episodes_are_told_where_all_else_is_quiet(damaged: Path, tmp_path: Path) -> None:
    code, said = run("merge", damaged, "-o", tmp_path / "out", "-q", "--skip-broken")
    assert code == 0
    assert "episode 1 could not be saved" in said
    assert "data_readable" not in said


@pytest.fixture
def damaged(recorded: Record, tmp_path: Path) -> Path:

    root = tmp_path / "day"
    shutil.copytree(recorded(version="v2.1", cameras=(), frames=(6, 5, 7)), root)
    os.truncate(root / "data/chunk-000/episode_000001.parquet", 500)
    return root


def test_no_more_threads_than_a_machine_can_bear(recorded: Record) -> None:
    with pytest.raises(lecompose.RequestError, match="at most 1024"):
        lecompose.info(recorded(cameras=()), threads=100_000)


def test_shells_complete_paths() -> None:
    script = Path(sys.executable).with_name("lecompose")
    asked = {"_LECOMPOSE_COMPLETE": "bash_complete", "COMP_WORDS": "lecompose merge d", "COMP_CWORD": "2"}
    done = subprocess.run([script], env=os.environ | asked, stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout == "file,d\n"
