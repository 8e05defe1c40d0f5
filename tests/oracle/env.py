"""Runs Python as LeRobot needs it: with FFmpeg for torchcodec, and without the network.

torchcodec, LeRobot's default decoder, wants FFmpeg's shared libraries by their plain names and finds none
on a machine without FFmpeg. PyAV brings them along, under names with a hash in them; so it gets links.

Usage: python tests/oracle/env.py -m pytest -m oracle tests/oracle
"""

import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path


def bundled_libraries() -> Path | None:
    """The folder of the libraries inside PyAV's wheel; None where PyAV uses those of the system."""
    folder = Path(str(distribution("av").locate_file("av.libs")))
    return folder if folder.is_dir() else None


def link_plainly(libraries: Path, target: Path) -> None:
    """Links each `libavcodec-1a2b3c4d.so.61.19.101` as `libavcodec.so.61`, the name loaders ask for."""
    for library in libraries.iterdir():
        parts = re.fullmatch(r"(.+)-[0-9a-f]{8}(\.so\.\d+)[\d.]*", library.name)
        if parts:
            (target / (parts[1] + parts[2])).symlink_to(library)


def main(arguments: list[str]) -> int:
    """The exit code of Python run with `arguments`."""
    with tempfile.TemporaryDirectory(prefix="lecompose-oracle-") as name:
        scratch = Path(name)
        (links := scratch / "lib").mkdir()
        environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(scratch / "huggingface"),  # LeRobot copies each dataset it opens in here
            "SVT_LOG": "1",
            "OMP_NUM_THREADS": "1",  # threads that share out one picture wait four times as long as they work
        }
        if libraries := bundled_libraries():
            link_plainly(libraries, links)
            paths = [str(links), str(libraries), os.environ.get("LD_LIBRARY_PATH", "")]
            environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, paths))
        # The loader reads LD_LIBRARY_PATH when a process starts, hence another one.
        return subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
