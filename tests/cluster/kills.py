"""Kills workers, planners, finishers, drivers and nodes while jobs are carried out; counts what was lost.

    python tests/cluster/kills.py bare --kills 100
    python tests/cluster/kills.py ray --kills 20 --minutes 10
    python tests/cluster/kills.py slurm --kills 20 --minutes 10

After every disturbance the outputs are in the end those of threads, but for the lineage, and nothing else is
left in their folder.
"""

import argparse
import importlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE),
    str(HERE.parent / "torture"),
    *(str(HERE.parents[1] / name) for name in ("examples", "src")),
]

import child  # noqa: E402
from disturb import Arena, make_commands  # noqa: E402

Trial = Callable[[Arena], None]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("engine", choices=("bare", "ray", "slurm"))
    parser.add_argument("--kills", type=int, default=100, help="end after so many")
    parser.add_argument("--minutes", type=float, default=60, help="begin no trial after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="trials whose names begin so")
    parser.add_argument("--once", action="store_true", help="each trial once")
    parser.add_argument("--json", type=Path, help="where the counts go")
    given = parser.parse_args()
    engine: Any = importlib.import_module(f"on_{given.engine}")
    child.loaded()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder, getattr(engine, "start", nullcontext)():
        counts, problems = undergo(Path(folder), engine.TRIALS, given)
    text = json.dumps({"engine": given.engine} | dict(counts), indent=2)
    print(text)
    for problem in problems:
        print(problem, file=sys.stderr)
    if given.json:
        given.json.write_text(text + "\n")
    return 1 if problems else 0


def undergo(
    home: Path, trials: tuple[Trial, ...], given: argparse.Namespace
) -> tuple[Counter[str], list[str]]:
    commands, draw, problems = make_commands(home), random.Random(given.seed), list[str]()
    counts = Counter[str](dict.fromkeys(("kills", "lost", "wrong", "left over", "tracebacks", "hung"), 0))
    chosen = [trial for trial in trials if trial.__name__.startswith(given.only)]
    until, n = time.monotonic() + given.minutes * 60, 0
    while counts["kills"] < given.kills and time.monotonic() < until:
        if n == len(chosen) and given.once:
            break
        trial = chosen[n % len(chosen)]
        arena = Arena(home / f"t{n}", draw.choice(commands), draw, counts)
        arena.prepare()
        start = time.monotonic()
        try:
            trial(arena)
        except Exception as error:
            problems.append(f"{trial.__name__} ({arena.command.name}): {type(error).__name__}: {error}")
            counts["wrong"] += 1
        arena.judge()
        problems += [f"trial {n} {trial.__name__}: {each}" for each in arena.problems]
        counts[trial.__name__] += 1
        said = f"{time.monotonic() - start:.1f} s {arena.problems or ''}"
        print(n, trial.__name__, arena.command.name, counts["kills"], said, flush=True)
        n += 1
    return counts, problems


if __name__ == "__main__":
    sys.exit(main())
