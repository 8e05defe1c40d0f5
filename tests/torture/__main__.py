"""Kills lecompose, fills its disk, refuses its system calls, feeds it broken data; counts what was lost.

    python tests/torture --kills 400 --json torture.json      # make torture
    python tests/torture --kills 2 --faults 1 --inputs 1 --jobs cut      # what the test suite runs

After every disturbance sources are byte for byte what they were, each destination holds nothing, the old
dataset or the whole new one, and the same command then succeeds and gives the undisturbed bytes.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), *(str(HERE.parents[1] / name) for name in ("examples", "src"))]

import child  # noqa: E402
import trials  # noqa: E402
from trials import Torture, Trial  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=400, help="about so many, over all commands")
    parser.add_argument("--minutes", type=float, help="begin no trial after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="trials whose names begin so")
    parser.add_argument("--jobs", type=lambda said: said.split(","), help="of the commands only these")
    parser.add_argument("--faults", type=int, help="so many of them, drawn; all of them without")
    parser.add_argument("--inputs", type=int, help="so many broken datasets × operations; all without")
    parser.add_argument("--json", type=Path, help="where the counts go")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    child.loaded()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder, broken_inputs(given, folder) as broken:
        Path(folder).chmod(0o755)
        torture = trials.made(Path(folder), seed=given.seed, only=given.jobs)
        for trial in chosen(torture, given.kills, given.faults, seed=given.seed):
            if given.minutes and time.monotonic() - start > given.minutes * 60:
                break
            if not trial.name.startswith(given.only):
                continue
            torture.undergo(trial)
            if given.verbose:
                print(trial.name, f"({trial.job})", torture.told[-1], flush=True)
    torture.problems += broken.pop("problems")
    found = torture.counts() | {
        "inputs": broken,
        "seconds": round(time.monotonic() - start, 1),
        "where": where(),
    }
    text = json.dumps(found, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")
    for problem in torture.problems:
        print(problem, file=sys.stderr)
    return 1 if torture.problems else 0


@contextmanager
def broken_inputs(given: argparse.Namespace, folder: str) -> Iterator[dict[str, Any]]:
    """What comes of broken inputs, which another process tries meanwhile: there once the block has ended."""
    counts, tried = Path(folder) / "inputs.json", dict[str, Any]()
    words = [HERE / "inputs.py", Path(folder) / "inputs", counts, f"--seed={given.seed}"]
    words += [] if given.inputs is None else [f"--inputs={given.inputs}"]
    process = subprocess.Popen([sys.executable, *map(str, words)])
    try:
        yield tried
        if process.wait():
            sys.exit("the broken inputs could not be tried")
        tried |= json.loads(counts.read_text())
    finally:
        process.kill()


def chosen(torture: Torture, kills: int, faults: int | None, *, seed: int) -> Iterator[Trial]:
    """So many kills, and so many faults, or all, mixed."""
    draw = random.Random(seed)
    every = list(trials.kills(torture, kills, draw))
    others = list(trials.faults(torture, draw))
    some = len(others) if faults is None else min(faults, len(others))
    mixed = [*draw.sample(every, min(kills, len(every))), *draw.sample(others, some)]
    draw.shuffle(mixed)
    yield from mixed


def where() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "root": os.getuid() == 0,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


if __name__ == "__main__":
    sys.exit(main())
