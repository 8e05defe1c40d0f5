"""Where the other tools are: their interpreters and programs, or why one cannot run here.

LECOMPOSE_BENCH_LEROBOT   a Python with lerobot 0.6.1          (else that in .venv-oracle)
LECOMPOSE_BENCH_REFINER   a Python with macrodata-refiner      (else that in .venv-refiner)
LECOMPOSE_BENCH_FFMPEG    the program                          (else on PATH, else that of imageio-ffmpeg)
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from measure import ffmpeg_version, version_in

CHECKOUT = Path(__file__).resolve().parent.parent
# Says where PyAV's own FFmpeg lies, and links it under the names that torchcodec asks for.
_LEND_FFMPEG = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
import env
libraries = env.bundled_libraries()
if libraries:
    env.link_plainly(libraries, pathlib.Path(sys.argv[2]))
    print(libraries)
"""


@dataclass(frozen=True)
class Rival:
    """A tool that is there: how a command of it begins, and what its processes find around them."""

    command: tuple[str, ...]
    version: str | None
    environment: Mapping[str, str]


def found(work: Path) -> dict[str, Rival | str]:
    """Every tool beside lecompose and cp, or the reason why it is skipped. `work` is for what they need."""
    return {
        "polars": _polars(),
        "numpy": _polars(),
        "ffmpeg": _ffmpeg(),
        "lerobot": _lerobot(work),
        "refiner": _refiner(work),
    }


def _polars() -> Rival | str:
    if not importlib.util.find_spec("polars"):
        return "polars is not installed. Try: pip install 'lecompose[bench]'"
    return Rival((sys.executable,), None, {})  # its version is among those of this environment


def _ffmpeg() -> Rival | str:
    program = os.environ.get("LECOMPOSE_BENCH_FFMPEG") or shutil.which("ffmpeg") or _bundled_ffmpeg()
    if not program:
        return "no ffmpeg on PATH. Try: pip install imageio-ffmpeg"
    return Rival((sys.executable,), ffmpeg_version(program), {"LECOMPOSE_BENCH_FFMPEG": program})


def _bundled_ffmpeg() -> str | None:
    if not importlib.util.find_spec("imageio_ffmpeg"):
        return None
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _lerobot(work: Path) -> Rival | str:
    python = _python("LECOMPOSE_BENCH_LEROBOT", ".venv-oracle")
    version = version_in([python], "lerobot") if python else None
    if not python or not version:
        return "no Python with lerobot. Try: make bench-rivals, or LECOMPOSE_BENCH_LEROBOT=PYTHON"
    (links := work / "lib").mkdir()
    oracle = str(CHECKOUT / "tests/oracle")
    lent = subprocess.run(
        [python, "-c", _LEND_FFMPEG, oracle, str(links)], capture_output=True, text=True, check=True
    )
    paths = [str(links), lent.stdout.strip(), os.environ.get("LD_LIBRARY_PATH", "")]
    return Rival((python,), version, _quiet_home(work) | {"LD_LIBRARY_PATH": ":".join(filter(None, paths))})


def _refiner(work: Path) -> Rival | str:
    python = _python("LECOMPOSE_BENCH_REFINER", ".venv-refiner")
    version = version_in([python], "macrodata-refiner") if python else None
    if not python or not version:
        return "no Python with macrodata-refiner. Try: make bench-rivals, or LECOMPOSE_BENCH_REFINER=PYTHON"
    return Rival((python,), version, {"HOME": str(home_of(work))})


def _python(variable: str, folder: str) -> str | None:
    there = CHECKOUT / folder / "bin/python"
    return os.environ.get(variable) or (str(there) if there.exists() else None)


def home_of(work: Path) -> Path:
    """What LeRobot and refiner take for the home of their user; emptied before each run."""
    return work / "home"


def _quiet_home(work: Path) -> dict[str, str]:
    return {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home_of(work) / "huggingface"), "SVT_LOG": "1"}
