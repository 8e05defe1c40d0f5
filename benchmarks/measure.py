"""Commands timed as processes of their own, and what machine that was on. Standard library only: a child's
peak memory as the kernel reports it is never below that of the process that started it."""

import importlib.metadata
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB = 2**20
PACKAGES = ("lecompose", "duckdb", "pyarrow", "numpy", "av", "polars")
# Interpreters are told by their users to leave no bytecode behind seldom, and by containers often.
NOT_USERS = ("PYTHONDONTWRITEBYTECODE",)


@dataclass(frozen=True)
class Sample:
    """One run of one variant. Units: seconds; MiB (2**20 bytes). `stages` are seconds of wall time."""

    round: int
    wall_s: float
    cpu_s: float
    rss_mib: float
    out_mib: float
    stages: dict[str, float] = field(default_factory=dict)


class CommandFailed(Exception):
    """A variant did not end with exit code 0, or not in time; its last words are the message."""


def run(
    command: Sequence[str],
    out: Path,
    *,
    number: int = 0,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 86_400,
) -> tuple[Sample, str]:
    """A sample of one command that may write the folder `out`, and what it printed.

    CPU time is that of its whole process tree, memory that of the largest process in it. What earlier runs
    have left to be written to disk is written first. Errors: CommandFailed.
    """
    os.sync()
    given = {**os.environ, **(environment or {})}
    env = {name: value for name, value in given.items() if name not in NOT_USERS}
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=env, start_new_session=True)
        status, usage = _ended(process, timeout_s)
        wall = time.perf_counter() - start
        said, complained = (_text(file) for file in (stdout, stderr))
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode == -signal.SIGKILL and wall >= timeout_s:
        raise CommandFailed(f"stopped after {timeout_s:,.0f} s")
    if process.returncode:
        raise CommandFailed(complained.strip()[-2000:] or f"exit code {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return Sample(number, wall, cpu, usage.ru_maxrss * 1024 / MIB, _size(out.rglob("*")) / MIB), said


def _ended(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[int, Any]:
    """How the process ended and what it used; with all that it started it is killed after the time."""
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return status, usage


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="replace"))


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def medians(samples: Sequence[Sample]) -> dict[str, Any]:
    """The median of every number of a variant, each for itself."""
    names = ("wall_s", "cpu_s", "rss_mib", "out_mib")
    stages = {stage: statistics.median(s.stages[stage] for s in samples) for stage in samples[0].stages}
    return {name: statistics.median(getattr(s, name) for s in samples) for name in names} | {"stages": stages}


def spread(numbers: Sequence[float]) -> dict[str, float]:
    """Median and range of some ratios."""
    return {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}


def rounded(value: Any) -> Any:
    """Four significant digits of every float: more would be noise."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


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
    return found | {"ffmpeg": ffmpeg_version(shutil.which("ffmpeg"))}


def ffmpeg_version(ffmpeg: str | None) -> str | None:
    """What an ffmpeg says of itself."""
    if ffmpeg is None:
        return None
    said = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=False).stdout
    return said.split("version", 1)[-1].split(maxsplit=1)[0] if "version" in said else None


def version_in(python: Sequence[str], package: str) -> str | None:
    """The version of a package that another interpreter would import; null where it has none."""
    ask = f"import importlib.metadata as m, json; print(json.dumps(m.version({package!r})))"
    done = subprocess.run([*python, "-c", ask], capture_output=True, text=True, check=False)
    return None if done.returncode else str(json.loads(done.stdout))
