"""Records two small datasets with a toy robot, merges, queries and splits them, and checks the result.

Usage: python examples/demo.py [FOLDER]     (default: demo/ in the current folder; made anew each time)
"""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from recorder import record


def main(folder: Path) -> int:
    """Exit code 0 when every command did its work."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    monday, tuesday, both = folder / "monday", folder / "tuesday", folder / "both"

    print(f"Recording two datasets with a toy robot, two cameras each, into {folder}/")
    record(monday, version="v2.1", frames=(45, 60, 30), tasks=("pick the cup", "wave"), size=(128, 96))
    record(tuesday, version="v3.0", frames=(50, 40), tasks=("wave", "open the box"), seed=1, size=(128, 96))

    minutes = (
        "select task, count(*) as episodes, sum(seconds) as seconds from episodes group by all order by all"
    )
    parts = ["--into", "train=0.6", "--into", "val=0.4"]
    for command in (
        ["merge", str(monday), str(tuesday), "-o", str(both)],
        ["info", str(both)],
        ["check", str(both)],
        ["query", str(both), minutes],
        ["split", str(both), "-o", str(folder / "parts"), *parts, "--seed", "7"],
    ):
        print(f"\n$ {shlex.join(['lecompose', *command])}", flush=True)
        done = subprocess.run([sys.executable, "-m", "lecompose", *command], check=False)
        if done.returncode:
            return done.returncode
    print(f"\nThe merged dataset lies in {both}. In LeRobot: LeRobotDataset('me/both', root='{both}')")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo")))
