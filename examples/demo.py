"""Records two small datasets with a toy robot, merges them, and checks the result.

Usage: python examples/demo.py [FOLDER]     (default: demo/ in the current folder; made anew each time)
"""

import shutil
import subprocess
import sys
from pathlib import Path

from recorder import record


def main(folder: Path) -> int:
    """Exit code 0 when the merged dataset is sound."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    monday, tuesday, both = folder / "monday", folder / "tuesday", folder / "both"

    print(f"Recording two datasets with a toy robot, two cameras each, into {folder}/")
    record(monday, version="v2.1", frames=(45, 60, 30), tasks=("pick the cup", "wave"), size=(128, 96))
    record(tuesday, version="v3.0", frames=(50, 40), tasks=("wave", "open the box"), seed=1, size=(128, 96))

    for command in (
        ["merge", str(monday), str(tuesday), "-o", str(both)],
        ["info", str(both)],
        ["check", str(both)],
    ):
        print(f"\n$ lecompose {' '.join(command)}", flush=True)
        done = subprocess.run([sys.executable, "-m", "lecompose", *command], check=False)
        if done.returncode:
            return done.returncode
    print(f"\nThe merged dataset lies in {both}. In LeRobot: LeRobotDataset('me/both', root='{both}')")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo")))
