"""Readers that neither we nor LeRobot's map-style dataset are: streaming, `datasets`, Rerun, lerobot-doctor.

Rerun and lerobot-doctor have environments of their own below .venv-readers/, made at the first run.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.lerobot_reads import RECORDING, mark_of, moments

import lecompose
from recorder import value

pytestmark = pytest.mark.oracle

ENVIRONMENTS = Path(__file__).resolve().parents[2] / ".venv-readers"
OTHER = {**RECORDING, "seed": 9, "frames": (4, 6)}
FRAMES = moments(RECORDING, OTHER)
Record = Callable[..., Path]


@pytest.fixture(scope="module")
def merged(recorded: Record, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("readers") / "out"
    lecompose.merge([recorded(**RECORDING), recorded(**OTHER)], out=out)
    return out


def environment(package: str) -> Path:
    """The programs of a package, in an environment of its own."""
    folder = ENVIRONMENTS / re.sub(r"\W", "-", package)
    if not (folder / "made").is_file():
        pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        for words in ([sys.executable, "-m", "venv", "--clear", str(folder)], [*pip, package]):
            if (done := subprocess.run(words, capture_output=True, text=True)).returncode:
                pytest.skip(f"{package} cannot be had: {done.stderr.strip().splitlines()[-1]}")
        (folder / "made").touch()
    return folder / "bin"


def test_streaming_gives_every_frame_once(merged: Path) -> None:
    from lerobot.datasets.streaming_dataset import StreamingLeRobotDataset

    dataset = StreamingLeRobotDataset("lecompose/test", root=merged, buffer_size=10, return_uint8=True)
    seen = {}
    for item in dataset:
        index = int(item["index"])
        assert index not in seen
        seen[index] = frame = FRAMES[index]
        assert item["task"] == frame.task
        for number, key in enumerate(dataset.meta.video_keys):
            assert mark_of(item[key]) == (*frame[:3], number)
    assert len(seen) == len(FRAMES)


def test_datasets_loads_the_folder(merged: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    rows = load_dataset(str(merged), data_files="data/*/*.parquet", split="train", cache_dir=str(tmp_path))
    assert rows["index"][:] == list(range(len(FRAMES)))
    for row, frame in zip(rows, FRAMES, strict=True):
        recorded = value("action", frame.episode, frame.frame, seed=frame.seed)
        assert np.array_equal(np.float32(row["action"]), recorded)


RERUN = """
import json, sys
import rerun.experimental as rx
reader = rx.LeRobotReader(sys.argv[1])
print(json.dumps(reader.episodes()))
"""


def test_rerun_imports_every_frame(merged: Path, tmp_path: Path) -> None:
    programs = environment("rerun-sdk==0.41.0")
    listed = subprocess.run(
        [programs / "python", "-c", RERUN, merged], capture_output=True, text=True, check=True
    )
    lengths = (*RECORDING["frames"], *OTHER["frames"])
    assert json.loads(listed.stdout.splitlines()[-1]) == list(range(len(lengths)))
    saved = tmp_path / "all.rrd"
    words = [programs / "rerun", merged, "--save", saved, "--port", "0"]
    told = plain(subprocess.run(words, capture_output=True, text=True, timeout=300))
    # Rerun's exit code is 0 even where it left a feature out.
    assert not re.search(r"\b(WARN|ERROR)\b", told), told
    assert f"with {len(lengths)} episode" in told
    chunks = plain(
        subprocess.run([programs / "rerun", "rrd", "print", saved, "-v"], capture_output=True, text=True)
    )
    parts = {"action": "Scalars:scalars", "task": "TextDocument:text"}
    parts |= {f"observation.images.{camera}": "VideoStream:sample" for camera in RECORDING["cameras"]}
    assert {name: rows_of(chunks, name, part) for name, part in parts.items()} == dict.fromkeys(
        parts, len(FRAMES)
    )


def plain(done: subprocess.CompletedProcess[str]) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def rows_of(chunks: str, entity: str, component: str) -> int:
    """The rows that Rerun has of a component; it prints a line a chunk, and numbers with thin spaces."""
    rows = re.finditer(r"Chunk\([^)]*\) with ([\d\s\u2009]+?) rows[^\n]*? - /(\S+)([^\n]*)", chunks)
    return sum(
        int(re.sub(r"\D", "", n))
        for n, name, rest in (r.groups() for r in rows)
        if name == entity and component in rest
    )


def test_lerobot_doctor_finds_nothing_but_short_episodes(merged: Path) -> None:
    programs = environment("lerobot-doctor==0.2.0")
    done = subprocess.run([programs / "lerobot-doctor", merged], capture_output=True, text=True)
    assert set(re.findall(r"^\[([A-Z]+)\] ", plain(done), re.MULTILINE)) == {"PASS", "WARN"}, done.stdout
    # Toy episodes of a dozen frames are short for its policies, and it finds nothing else.
    complaints = re.findall(r"^  - (.+)$", plain(done), re.MULTILINE)
    assert [line for line in complaints if "short" not in line and "flagged" not in line] == []
