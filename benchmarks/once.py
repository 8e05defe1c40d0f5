"""One job done once by one tool; prints the seconds of its parts, and what it answered, as JSON.

    python benchmarks/once.py --out OUT with_polars.merge A B

`bench.py` starts it, each time as a process of its own, under the Python that has the tool.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

_START = time.perf_counter()


class Clock:
    """Seconds from one mark to the next, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = _START

    def mark(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("job", help="module.function of tools/")
    parser.add_argument("sources", type=Path, nargs="*")
    args = parser.parse_args()
    clock = Clock()
    module, _, function = args.job.partition(".")
    answer = getattr(importlib.import_module(f"tools.{module}"), function)(args.sources, args.out, clock)
    sys.stdout.write("\n" + json.dumps({"seconds": clock.seconds, "answer": answer}) + "\n")


if __name__ == "__main__":
    main()
