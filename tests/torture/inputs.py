"""Every operation on every broken dataset: what was handled, what refused, and what went wrong.

python tests/torture/inputs.py FOLDER COUNTS.json --inputs 20
"""

import argparse
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), *(str(HERE.parents[1] / name) for name in ("examples", "src"))]

from attempts import OPERATIONS, Operation, Verdict, made, tried  # noqa: E402
from broken import Broken, some_cases  # noqa: E402

from recorder import record  # noqa: E402

PROBLEMS = ("wrong_outputs", "left_over", "sources_changed", "wrong_codes", "unclear_messages")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where datasets are made")
    parser.add_argument("json", type=Path, help="where the counts go")
    parser.add_argument("--inputs", type=int, help="so many, drawn; all without")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = tried_inputs(given.folder, given.inputs, seed=given.seed)
    given.json.write_text(json.dumps(found))


def tried_inputs(folder: Path, count: int | None, *, seed: int) -> dict[str, Any]:
    """The counts of so many pairs, drawn, or of all, and under "problems" every one in words."""
    start, verdicts = time.monotonic(), Counter[str]()
    recorded, problems = shared(folder / "recorded"), list[str]()
    chosen = pairs(count, seed)
    for operation, name, broken, version in chosen:
        verdict = one(folder / "attempt", operation, broken, version, recorded)
        verdicts[str(verdict.code)] += 1
        problems += [f"{operation.name} of {name}: {problem}" for problem in verdict.problems]
    return {
        "tried": len(chosen),
        "datasets": len({name for _, name, _, _ in chosen}),
        "operations": len({operation.name for operation, *_ in chosen}),
        "handled": verdicts["0"],
        "refused": dict(sorted((code, n) for code, n in verdicts.items() if code != "0")),
        **{kind: sum(f": {kind}: " in problem for problem in problems) for kind in PROBLEMS},
        "seconds": round(time.monotonic() - start, 1),
        "problems": problems,
    }


def pairs(count: int | None, seed: int) -> list[tuple[Operation, str, Broken, str]]:
    every = [(operation, *case) for case in some_cases() for operation in OPERATIONS]
    return every if count is None else random.Random(seed).sample(every, min(count, len(every)))


def one(
    folder: Path, operation: Operation, broken: Broken, version: str, recorded: Callable[..., Path]
) -> Verdict:
    shutil.rmtree(folder, ignore_errors=True)
    return tried(operation, made(folder, broken, version, recorded))


def shared(folder: Path) -> Callable[..., Path]:
    """A function with the arguments of `record`, which records nothing twice."""
    known: dict[str, Path] = {}

    def recorded(**settings: Any) -> Path:
        key = repr(sorted(settings.items()))
        if key not in known:
            known[key] = record(folder / str(len(known)), **settings)
        return known[key]

    return recorded


if __name__ == "__main__":
    main()
