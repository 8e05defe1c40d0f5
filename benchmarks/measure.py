"""Commands timed as processes of their own, and what machine that was on. Standard library only: a child's
peak memory as the kernel reports it is never below that of the process that started it."""

import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB = 2**20
PACKAGES = ("lecompose", "duckdb", "pyarrow", "numpy", "av", "polars")


@dataclass(frozen=True)
class Sample:
    """One run of one variant. Units: seconds; MiB (2**20 bytes). `stages` are seconds of wall time."""

    round: int
    wall_s: float
    cpu_s: float
    rss_mib: float
    out_mib: float
    data_mib: float
    stages: dict[str, float] = field(default_factory=dict)


class CommandFailed(Exception):
    """A variant did not end with exit code 0; its last words are the message."""


def run(command: Sequence[str], out: Path, *, number: int, tells_stages: bool = True) -> Sample:
    """A sample of one command that writes `out`. CPU and memory are those of its whole process tree.

    One that `tells_stages` prints {"seconds": {stage: …}}.

    What earlier runs have left to be written to disk is written first. Errors: CommandFailed.
    """
    os.sync()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            stderr.seek(0)
            raise CommandFailed(stderr.read().decode(errors="replace").strip()[-2000:])
        stdout.seek(0)
        said = stdout.read()
    return Sample(
        round=number,
        wall_s=wall,
        cpu_s=usage.ru_utime + usage.ru_stime,
        rss_mib=usage.ru_maxrss * 1024 / MIB,
        out_mib=_size(out.rglob("*")) / MIB,
        data_mib=_size(out.rglob("data/**/*.parquet")) / MIB,
        stages=json.loads(said)["seconds"] if said and tells_stages else {},
    )


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def medians(samples: Sequence[Sample]) -> dict[str, Any]:
    """The median of every number of a variant, each for itself."""
    names = ("wall_s", "cpu_s", "rss_mib", "out_mib", "data_mib")
    stages = {stage: statistics.median(s.stages[stage] for s in samples) for stage in samples[0].stages}
    return {name: statistics.median(getattr(s, name) for s in samples) for name in names} | {"stages": stages}


def spread(numbers: Sequence[float]) -> dict[str, float]:
    """Median and range of some ratios."""
    return {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}


# Where it ran -------------------------------------------------------------------------------------


def machine(work: Path) -> dict[str, Any]:
    """The machine without its name: processor, cores, memory, system, kind of file system under `work`."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "filesystem": _filesystem(work.resolve()),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def _first(path: str, key: str) -> str | None:
    file = Path(path)
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def _filesystem(path: Path) -> str:
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "unknown"
    fields = [line.split() for line in mounts.read_text().splitlines()]
    holding = [(mount, kind) for _, mount, kind, *_ in fields if path.is_relative_to(mount)]
    return max(reversed(holding), key=lambda at: len(at[0]))[1]


def versions(*more: str) -> dict[str, str | None]:
    """Python's version and those of the tools, and of more packages; null for what is not there."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in (*PACKAGES, *more):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    if found["lecompose"] is None:
        found["lecompose"] = "checkout"
    return found | {"ffmpeg": _ffmpeg_version()}


def _ffmpeg_version() -> str | None:
    if not shutil.which("ffmpeg"):
        return None
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=False).stdout
    return said.split("version", 1)[-1].split(maxsplit=1)[0] if "version" in said else None
