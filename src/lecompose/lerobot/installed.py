"""`import lecompose.lerobot.installed`: install our functions in LeRobot, and our reader too.

For scripts to which you can add one line; `python -m lecompose.lerobot.installed SCRIPT …` runs one that
cannot be changed at all, such as the file of lerobot-train.
"""

import runpy
import sys
from pathlib import Path

from lecompose.lerobot import *  # noqa: F403  # so that this module can be named in the place of that one
from lecompose.lerobot import install

USAGE = "usage: python -m lecompose.lerobot.installed SCRIPT [ARGUMENTS]"


def main() -> None:
    """Run a script as Python itself would."""
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__" and len(sys.argv) < 2:
    sys.exit(USAGE)
try:
    install(reader=True)
except ImportError as error:
    if __name__ != "__main__":
        raise
    sys.exit(f"error: {error}. Try: pip install 'lerobot[dataset]'")
if __name__ == "__main__":
    main()
