"""Draws what a cluster would do, from what was measured on this machine: hours against nodes, a line a size.

    python benchmarks/cluster_model.py results/cluster-full.json --cores 16 --disk-gb-s 5

Writes cluster-model.png, and cluster-model.md with the numbers, beside the JSON of `bench_cluster.py`.

    whole = episodes × (plan + finish)                                            one process
          + max(jobs × fixed + bytes × per byte, over all cores;                  the jobs
                bytes × passes / bandwidth of the shared disk;                    which no node makes faster
                jobs × driver's time)                                             nor this

Fixed and per byte are those of each kind of job, measured; the episodes are as the benchmark's: two cameras,
350 frames, 9 kB a frame. Nodes are never waited for, and no job is larger than others: a cluster is slower.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from table import rows_of

HERE = Path(__file__).resolve().parent
NODES = (1, 3, 10, 30, 100, 300, 1000)
SIZES = {"100 GB": 1e11, "1 TB": 1e12, "10 TB": 1e13, "100 TB": 1e14}
EPISODE_BYTES, FILE_BYTES, CLIP_BYTES = 2 * 350 * 9_000, 200e6, 350 * 9_000
COLOURS = ("#56B4E9", "#0072B2", "#E69F00", "#D55E00")  # of Okabe and Ito


@dataclass(frozen=True)
class Kind:
    """A kind of job: seconds of a core each and for each byte, bytes that a job has, passes of them."""

    fixed_s: float
    s_a_byte: float
    job_bytes: float
    passes: int


@dataclass(frozen=True)
class Model:
    """What one operation costs. Units: seconds; bytes a second."""

    kinds: tuple[Kind, ...]
    serial_s_an_episode: float
    driver_s_a_job: float
    disk: float

    def whole_s(self, size_bytes: float, cores: float) -> float:
        """How long it takes on so many cores."""
        jobs = sum(size_bytes / kind.job_bytes for kind in self.kinds)
        busy = sum(size_bytes * (kind.fixed_s / kind.job_bytes + kind.s_a_byte) for kind in self.kinds)
        moved = size_bytes * sum(kind.passes for kind in self.kinds)
        return self.serial_s(size_bytes) + max(busy / cores, moved / self.disk, jobs * self.driver_s_a_job)

    def serial_s(self, size_bytes: float) -> float:
        """What one process does before and after the jobs."""
        return size_bytes / EPISODE_BYTES * self.serial_s_an_episode


def models(result: dict[str, Any], disk: float) -> dict[str, Model]:
    """A model of copying and of encoding, where they were measured."""
    share = result["share"]
    serial = (share["plan"]["cpu_s"] + share["finish"]["cpu_s"]) / share["episodes"]
    driver = max(found.get("driver_s_a_job", 0.0) for found in result["noop"].values())
    copying = share["kinds"]  # a worker alone checks nothing
    written = [_kind(copying["video file"], FILE_BYTES, 2), _kind(copying["check file"], FILE_BYTES, 1)]
    found = {"merge, packets copied": Model(tuple(written), serial, driver, disk)}
    for codec, encoding in result.get("encoding", {}).items():
        clip = _kind(encoding["kinds"]["encode clip"], CLIP_BYTES, 2)
        found[f"merge --fps, {codec}"] = Model((clip, *written), serial, driver, disk)
    return found


def _kind(measured: dict[str, float], job_bytes: float, passes: int) -> Kind:
    return Kind(measured["fixed_s"], measured["s_a_byte"], job_bytes, passes)


def measured_points(result: dict[str, Any], name: str) -> list[tuple[int, float, float]]:
    """Cores, bytes and seconds of what was measured of an operation."""
    if "copied" in name:
        found = result["copying"]
        size_bytes = found["kinds"]["video file"]["size_bytes"]
        return [(1, size_bytes, min(s["longest_cpu_s"] for s in found["one"]))]
    found = result["encoding"][name.rpartition(" ")[2]]
    size_bytes = found["kinds"]["encode clip"]["size_bytes"]
    return [
        (n, size_bytes, min(s["longest_cpu_s"] for s in found[which]))
        for n, which in ((1, "one"), (2, "two"))
    ]


def draw(result: dict[str, Any], found: dict[str, Model], cores: int, path: Path) -> None:
    """Hours against nodes, a panel an operation. Seconds for each byte let the measured stand among them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(found), figsize=(4 * len(found), 4.4), layout="constrained", sharey=True
    )
    for axis, (name, model) in zip(axes, found.items(), strict=True):
        for (label, size_bytes), colour in zip(SIZES.items(), COLOURS, strict=True):
            hours = [model.whole_s(size_bytes, n * cores) / 3600 for n in NODES]
            axis.plot(NODES, hours, color=colour, marker=".", label=label)
            floor = model.serial_s(size_bytes) / 3600
            axis.plot(NODES, [floor] * len(NODES), color=colour, linewidth=0.8, linestyle=":")
        for n, size_bytes, seconds in measured_points(result, name):
            line = [model.whole_s(size_bytes, k * cores) / 3600 for k in (1 / cores, 2 / cores)]
            axis.plot([1 / cores, 2 / cores], line, color="#999999", linewidth=1)
            told = f"measured, {size_bytes / 1e6:,.0f} MB" if n == 1 else None
            axis.plot([n / cores], [seconds / 3600], "kx", label=told)
        axis.set(xscale="log", yscale="log", xlabel=f"nodes of {cores} cores", title=name)
        axis.grid(which="major", color="#dddddd", linewidth=0.6)
        axis.legend(frameon=False, fontsize=8)
    axes[0].set_ylabel("hours; dotted: planning and finishing")
    figure.savefig(path, dpi=130)


def page(result: dict[str, Any], found: dict[str, Model], cores: int, disk: float) -> str:
    """The numbers of the picture, and the measured ones beside what the model says of them."""
    lines = [
        "# What a cluster would do",
        "",
        f"Nodes of {cores} cores, a shared disk of {disk / 1e9:g} GB/s;",
    ]
    lines += [
        "hours, and in brackets the part that one process takes. Everything else is read off the JSON.",
        "",
    ]
    lines += ["![hours against nodes](cluster-model.png)", ""]
    rows: list[Sequence[str]] = []
    for name, model in found.items():
        for label, size_bytes in SIZES.items():
            hours = [model.whole_s(size_bytes, n * cores) / 3600 for n in NODES]
            parts = [model.serial_s(size_bytes) / 3600 / h for h in hours]
            cells = [f"{h:,.2f} ({100 * p:.0f} %)" for h, p in zip(hours, parts, strict=True)]
            rows.append([f"{name}, {label}", *cells])
    lines += rows_of(["operation, size", *(f"{n:,}" for n in NODES)], rows)
    lines += ["", "| measured | cores | MB | seconds | the model says |", "|---|---:|---:|---:|---:|"]
    for name, model in found.items():
        for n, size_bytes, seconds in measured_points(result, name):
            said = model.whole_s(size_bytes, n) - model.serial_s(size_bytes)
            lines.append(f"| {name} | {n} | {size_bytes / 1e6:,.1f} | {seconds:,.1f} | {said:,.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("json", type=Path, nargs="?", default=HERE / "results/cluster-full.json")
    parser.add_argument("--cores", type=int, default=16, help="of a node")
    parser.add_argument("--disk-gb-s", type=float, default=5.0, help="what the shared disk moves")
    args = parser.parse_args()
    result, disk = json.loads(args.json.read_text()), args.disk_gb_s * 1e9
    found = models(result, disk)
    draw(result, found, args.cores, args.json.with_name("cluster-model.png"))
    told = page(result, found, args.cores, disk)
    args.json.with_name("cluster-model.md").write_text(told)
    print(told)


if __name__ == "__main__":
    main()
