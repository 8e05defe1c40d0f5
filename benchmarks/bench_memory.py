"""Measures the peak memory of lecompose's commands under `--memory`, on datasets that are larger than it.

    python benchmarks/bench_memory.py                   default sizes, a minute or two
    python benchmarks/bench_memory.py --full            20 million frames, 6 GB of pictures; 25 GB of disk

Writes benchmarks/results/memory.json (memory-full.json), and the same as a Markdown table. The exit code is 1
where a command used more than it was told to.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import MIB, machine, run, versions
from table import rows_of

HERE = Path(__file__).resolve().parent
QUERY = "select task, max(list_max(action)) from frames group by task"


@dataclass(frozen=True)
class Inputs:
    """Sources of one kind, and the limits that commands run under."""

    name: str
    options: tuple[str, ...]
    sources: int
    limits: tuple[str, ...]
    commands: tuple[str, ...]


COMMANDS: dict[str, tuple[str, ...]] = {
    "merge": ("merge", "{sources}", "-o", "{out}"),
    "split": ("split", "{first}", "-o", "{out}", "--into", "train=80%", "--into", "val=20%"),
    "delete": ("delete", "{first}", "--episodes", "1", "-o", "{out}"),
    "filter frames": ("filter", "{first}", "--where-frames", "action[1] > 0", "-o", "{out}"),
    "check": ("check", "{first}"),
    "query": ("query", "{sources}", QUERY),
}
DATA = ("merge", "split", "delete", "check", "query")


def inputs(*, full: bool) -> list[Inputs]:
    """What is measured, at the sizes asked for."""
    many = ("--episodes=10000", "--frames=500") if full else ("--episodes=1000", "--frames=500")
    pictures = ("--episodes=140", "--frames=100") if full else ("--episodes=14", "--frames=100")
    longer = ("--episodes=14", "--frames=1000") if full else ("--episodes=2", "--frames=700")
    small = (
        ("--version=v2.1", "--episodes=5000", "--frames=20") if full else ("--version=v2.1", "--episodes=500")
    )
    return [
        Inputs("vectors", many, 4, ("1GB",), DATA),
        Inputs("a file an episode", small, 2, ("1GB",), DATA),
        Inputs("pictures", (*pictures, "--pictures"), 2, ("1GB",), ("merge", "split", "check")),
        Inputs("pictures, long episodes", (*longer, "--pictures"), 2, ("2GB",), ("merge", "split", "check")),
    ]


def generate(kind: Inputs, folder: Path) -> list[Path]:
    """The sources of one kind, made anew."""
    roots = [folder / f"source-{seed}" for seed in range(kind.sources)]

    def make(seed: int) -> None:
        script = [sys.executable, str(HERE / "generate.py"), str(roots[seed]), f"--seed={seed}"]
        subprocess.run([*script, *kind.options], check=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, range(kind.sources)))
    return roots


def measured(kind: Inputs, folder: Path) -> Iterator[dict[str, Any]]:
    """Every command under every limit, one run each: peak memory hardly varies."""
    roots = generate(kind, folder)
    for name in kind.commands:
        for limit in kind.limits:
            out = folder / "out"
            sample, _ = run(command(name, roots, out, limit), out)
            whole = roots if "{sources}" in COMMANDS[name] else roots[:1]
            frames, size = zip(*map(extent, whole), strict=True)
            yield {
                "inputs": kind.name,
                "command": name,
                "frames": sum(frames),
                "source_mib": sum(size),
                "limit_mib": int(limit[:-2]) * {"GB": 1e9, "MB": 1e6}[limit[-2:]] / MIB,
                "limit": limit,
                "rss_mib": sample.rss_mib,
                "wall_s": sample.wall_s,
            }
            shutil.rmtree(out, ignore_errors=True)


def command(name: str, roots: Sequence[Path], out: Path, limit: str) -> list[str]:
    """The command line under one limit."""
    words: list[str] = []
    for word in COMMANDS[name]:
        words += map(str, roots) if word == "{sources}" else [word.format(first=roots[0], out=out)]
    return [sys.executable, "-m", "lecompose", *words, "--memory", limit]


def extent(root: Path) -> tuple[int, float]:
    """Frames and MiB of a source."""
    frames = json.loads((root / "meta/info.json").read_text())["total_frames"]
    return frames, sum(f.stat().st_size for f in root.rglob("*") if f.is_file()) / MIB


def shown(rows: Sequence[dict[str, Any]]) -> str:
    """All rows as a Markdown table."""
    lines = [
        [
            row["inputs"],
            row["command"],
            f"{row['frames']:,}",
            f"{row['source_mib']:,.0f} MiB",
            row["limit"],
            f"{row['rss_mib']:,.0f} MiB",
            f"{row['rss_mib'] / row['limit_mib']:.2f}",
            f"{row['wall_s']:.1f} s",
        ]
        for row in rows
    ]
    head = ["sources", "command", "frames", "size", "--memory", "peak", "peak / limit", "time"]
    return "\n".join(rows_of(head, lines))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--inputs", help="only those whose names begin so")
    parser.add_argument("--folder", type=Path, help="where datasets are made (default: a temporary folder)")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for kind in inputs(full=args.full):
        if kind.name.startswith(args.inputs or ""):
            with tempfile.TemporaryDirectory(prefix="bench-", dir=args.folder) as folder:
                for row in measured(kind, Path(folder)):
                    print(shown([row]).splitlines()[-1], flush=True)
                    rows.append(row)
    name = "memory-full" if args.full else "memory"
    result = {
        "machine": machine(args.folder or Path(tempfile.gettempdir())),
        "versions": versions(),
        "rows": rows,
    }
    (args.out / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    (args.out / f"{name}.md").write_text(shown(rows) + "\n")
    over = [row for row in rows if row["rss_mib"] > row["limit_mib"]]
    return 1 if over else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(HERE.parent / "src"))
    sys.exit(main())
