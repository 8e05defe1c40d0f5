"""Measures what reading for training costs: `to_torch` beside LeRobotDataset, in time, memory and disk.

    make bench-loader                                    default sizes, some minutes
    python benchmarks/bench_loader.py --full             3 million frames, 6 GB of pictures; 20 GB of disk

Needs an environment with lecompose and LeRobot (that of `make oracle`). Each measurement is a process of its
own, with an empty $HF_HOME at first; LeRobot is opened a second time too, for then its copy is there already.
Writes benchmarks/results/loader.json (loader-full.json), and the same as a Markdown table.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import MIB, machine, versions
from table import rows_of

HERE = Path(__file__).resolve().parent
PEERS = ("lerobot", "datasets", "torch", "torchcodec")
READERS = ("lecompose", "lerobot", "lerobot, again")
ORDERS = ("in order", "random")


def kinds(*, full: bool) -> dict[str, tuple[tuple[str, ...], int]]:
    """What is generated, and how many items are read of it."""
    return {
        "vectors": (("--episodes=6000" if full else "--episodes=600", "--frames=500"), 4000),
        "videos": (("--episodes=400" if full else "--episodes=60", "--frames=300", "--clips=4"), 400),
        "pictures": (("--episodes=130" if full else "--episodes=20", "--frames=200", "--pictures"), 400),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--read", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        print(json.dumps(read(*given.read)))
        return
    found: dict[str, Any] = {"full": given.full, "versions": versions(*PEERS), "kinds": []}
    with tempfile.TemporaryDirectory(prefix="bench-loader-") as name:
        found["machine"] = machine(Path(name))
        for kind, (options, items) in kinds(full=given.full).items():
            found["kinds"] += [measured(Path(name), kind, options, items)]
            print("\n".join(section(found["kinds"][-1])), flush=True)
    results = HERE / "results" / f"loader{'-full' if given.full else ''}"
    results.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    results.with_suffix(".md").write_text("\n".join(page(found)) + "\n")


def measured(folder: Path, kind: str, options: tuple[str, ...], items: int) -> dict[str, Any]:
    """All measurements of one kind of dataset: as it was recorded, and as lecompose copies it."""
    recorded, copied = folder / kind, folder / f"{kind}-copied"
    subprocess.run([sys.executable, HERE / "generate.py", recorded, "--seed=1", *options], check=True)
    subprocess.run(
        [sys.executable, "-m", "lecompose", "merge", recorded, "-o", copied, "--quiet"], check=True
    )
    runs = []
    for root in (recorded, copied):
        for order in ORDERS:
            home = folder / "home"
            for reader in READERS:
                if reader != "lerobot, again":
                    shutil.rmtree(home, ignore_errors=True)
                    home.mkdir()
                runs.append(run(root, reader, order, items, home))
            shutil.rmtree(home)
    size = sum(path.stat().st_size for path in recorded.rglob("*") if path.is_file()) / MIB
    for root in (recorded, copied):
        shutil.rmtree(root)
    return {"kind": kind, "options": options, "items": items, "mib": size, "runs": runs}


def run(root: Path, reader: str, order: str, items: int, home: Path) -> dict[str, Any]:
    """One measurement, by a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "--read", str(root), reader, order, str(items)]
    places = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env={**os.environ, **places}, stdout=subprocess.PIPE, text=True, check=True
    )
    disk = sum(path.stat().st_size for path in home.rglob("*") if path.is_file()) / MIB
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    copy = root.name.endswith("-copied")
    return {"of": "copy" if copy else "recorded", "reader": reader, "order": order, "disk_mib": disk, **told}


def read(root: str, reader: str, order: str, items: str) -> dict[str, float]:
    """What opening a dataset and reading some items takes. Units: seconds, milliseconds an item, MiB."""
    import torch

    torch.set_num_threads(1)
    if reader == "lecompose":
        import lecompose.training.dataset
    else:
        from lerobot.datasets.lerobot_dataset import LeRobotDataset
    before = memory()
    start = time.perf_counter()
    if reader == "lecompose":
        dataset: Any = lecompose.open(root).to_torch()
    else:
        dataset = LeRobotDataset("a/b", root=root)
    opened = time.perf_counter() - start
    numbers = list(range(len(dataset)))
    if order == "random":
        random.Random(0).shuffle(numbers)
    dataset[numbers[-1]]  # libraries load at the first
    start = time.perf_counter()
    for number in numbers[: int(items)]:
        dataset[number]
    each = (time.perf_counter() - start) / min(int(items), len(numbers))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"open_s": opened, "item_ms": each * 1000, "grown_mib": memory() - before, "peak_mib": peak}


def memory() -> float:
    """What this process has in memory now. Units: MiB."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize() / MIB


def page(found: dict[str, Any]) -> Iterator[str]:
    machine = found["machine"]
    yield f"# Reading for training{', full size' if found['full'] else ''}"
    yield ""
    yield (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']},"
        f" {machine['filesystem']}; load {machine['load_at_start']} at the start."
    )
    yield ", ".join(f"{name} {version}" for name, version in found["versions"].items() if version) + "."
    yield "Each row is one process; `lerobot, again` finds the copy that it has made under $HF_HOME."
    for kind in found["kinds"]:
        yield from section(kind)


def section(kind: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"## {kind['kind']}: {kind['mib']:,.0f} MiB, {kind['items']:,} items read"
    yield ""
    header = (
        "dataset",
        "order",
        "reader",
        "open s",
        "an item ms",
        "memory grown MiB",
        "peak MiB",
        "disk grown MiB",
    )
    yield from rows_of(header, map(_row, kind["runs"]))


def _row(run: dict[str, Any]) -> tuple[str, ...]:
    numbers = (run["open_s"], run["item_ms"])
    sizes = (run["grown_mib"], run["peak_mib"], run["disk_mib"])
    return (
        *(run["of"], run["order"], f"`{run['reader']}`"),
        *(f"{number:.2f}" for number in numbers),
        *(f"{size:,.0f}" for size in sizes),
    )


if __name__ == "__main__":
    main()
