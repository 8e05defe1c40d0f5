"""`import lecompose.lerobot.installed`: all that we can stand in for in LeRobot is ours, its reader too.

For scripts that can be given one more line; `python -m lecompose.lerobot.installed SCRIPT …` runs one that
cannot be changed at all, such as the file of lerobot-train.
"""

import runpy
import sys

from lecompose.lerobot import *  # noqa: F403  # the functions by their names, as `lecompose.lerobot` has them
from lecompose.lerobot import install

install(reader=True)

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m lecompose.lerobot.installed SCRIPT [ARGUMENTS]")
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
