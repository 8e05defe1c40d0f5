"""Every operation on every broken dataset: what was handled, what refused, and what went wrong."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attempts import OPERATIONS, Operation, Verdict, made, tried
from broken import Broken, some_cases

from recorder import record

PROBLEMS = ("wrong_outputs", "left_over", "sources_changed", "wrong_codes", "unclear_messages")


def tried_inputs(folder: Path, count: int | None, *, seed: int, verbose: bool) -> dict[str, Any]:
    """The counts of so many pairs, drawn, or of all, and under "problems" every one in words."""
    start, verdicts = time.monotonic(), Counter[str]()
    recorded, problems = shared(folder / "recorded"), list[str]()
    chosen = pairs(count, seed)
    for operation, name, broken, version in chosen:
        verdict = one(folder / "attempt", operation, broken, version, recorded)
        verdicts[str(verdict.code)] += 1
        problems += [f"{operation.name} of {name}: {problem}" for problem in verdict.problems]
        if verbose:
            print(operation.name, "of", name, verdict.code, flush=True)
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
