"""Measures what many machines cost and bring: scheduling, what one process does alone, encoding by two.

    python benchmarks/bench_cluster.py                      toy sizes, a minute
    python benchmarks/bench_cluster.py --full               10,000 jobs, 20,000 episodes: 5 GB, six minutes
    python benchmarks/bench_cluster.py --full --part noop   one part; the others stay as they were measured

Writes benchmarks/results/cluster.json (cluster-full.json), and the same as a page with the bars. What is not
here (Ray, SLURM, two cores) is skipped, and the page says so. `cluster_model.py` draws from the JSON what a
cluster would do.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import machine, rounded, versions
from table import rows_of

HERE = Path(__file__).resolve().parent
PARTS = ("noop", "share", "copying", "encoding")
# Driver time a job, share of the whole that is done by one process, times as fast with two workers.
MOST_JOB_S, MOST_SHARE, LEAST_SPEEDUP = 0.005, 0.05, 1.8


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    jobs: int
    rounds: int
    sources: int
    episodes: int
    video_mb: int
    clips: int


# Episodes of 20 frames, some 180 kB; a hundred of them in a file.
SMALL = Sizes(jobs=200, rounds=1, sources=10, episodes=20, video_mb=2, clips=4)
FULL = Sizes(jobs=10_000, rounds=1, sources=100, episodes=200, video_mb=18, clips=32)
_FRAMES = 20
# What the share is told for, too: a million episodes in 10,000 files as large as they are by default.
_MANY_EPISODES, _MANY_FILES, _FILE_BYTES = 1_000_000, 10_000, 200e6


@dataclass
class Spent:
    """Seconds of wall time, and of processor time of this process and of those that it waited for.

    `longest_cpu_s` is that of the worker with most to do, round by round: on a machine that others use, too,
    it says how long they would have taken by themselves.
    """

    wall_s: float = 0
    cpu_s: float = 0
    longest_cpu_s: float = 0


@contextmanager
def spending() -> Iterator[Spent]:
    """What is spent until `with` ends."""
    spent, wall, cpu = Spent(), time.perf_counter(), _cpu_s()
    yield spent
    spent.wall_s, spent.cpu_s = time.perf_counter() - wall, _cpu_s() - cpu


def _cpu_s() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, who))


def lecompose(*words: object, core: int | None = None) -> list[str]:
    """A command line of lecompose, on one core if that is given."""
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    return [*pinned, sys.executable, "-m", "lecompose", *map(str, words)]


def call(*words: object, core: int | None = None) -> Spent:
    """What a command spends."""
    with spending() as spent:
        subprocess.run(lecompose(*words, core=core), check=True, stdout=subprocess.DEVNULL)
    return spent


def run_all(folder: Path, workers: int) -> Spent:
    """What so many workers of a core each spend on all jobs: a second round makes what needs the first."""
    with spending() as spent:
        for _ in range(1 if workers == 1 else 2):
            words = ("jobs", "run", folder, "--threads", 1, "-q", "--shard")
            shards = [lecompose(*words, f"{n + 1}/{workers}", core=n) for n in range(workers)]
            ended = [os.wait4(process.pid, 0) for process in [*map(subprocess.Popen, shards)]]
            if any(status for _, status, _ in ended):
                raise SystemExit(f"a worker failed; lecompose jobs status {folder}")
            spent.longest_cpu_s += max(used.ru_utime + used.ru_stime for _, _, used in ended)
    return spent


# Scheduling -------------------------------------------------------------------------------------


def noop(sizes: Sizes, work: Path) -> dict[str, Any]:
    """Driver time a job, where a job is no work: a file of two bytes is checked."""
    found = {}
    for name, carry_out in {"processes": by_processes, "ray": by_ray, "slurm": by_slurm}.items():
        samples = []
        for n in range(sizes.rounds):
            folder = make_noops(work / f"{name}-{n}", sizes.jobs)
            try:
                spent = carry_out(folder)
            except Skipped as why:
                found[name] = {"skipped": str(why)}
                break
            done = len(folder.read_records().done) - 1
            if done != sizes.jobs:
                raise SystemExit(f"{name}: {done} of {sizes.jobs} jobs are done")
            samples.append(spent)
            shutil.rmtree(folder.staging)
        if samples:
            found[name] = {
                "jobs": sizes.jobs,
                "driver_s_a_job": statistics.median(s.cpu_s for s in samples) / sizes.jobs,
                "wall_s_a_job": statistics.median(s.wall_s for s in samples) / sizes.jobs,
                "samples": [vars(sample) for sample in samples],
            }
            print(name, found[name], flush=True)
    return found


class Skipped(Exception):
    """Something is not here; the message says what."""


def make_noops(where: Path, count: int) -> Any:
    """A folder of so many jobs that check one file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lecompose.composition.resume.journal import checksum_file
    from lecompose.composition.runners import job_list
    from lecompose.composition.runners.job_folder import JOBS, JobFolder, PlannedRequest
    from lecompose.composition.runners.records import Done, WorkerJournal

    folder = JobFolder(where.with_name(f".{where.name}.lecompose") / JOBS)
    folder.staging.mkdir()
    folder.begin()
    rows = [(0, "data file", "out", "none", 2, [], None)]
    rows += [(n, job_list.CHECK, "out", "none", 2, [0], None) for n in range(1, count + 1)]
    schema = job_list._SCHEMA
    columns = [pa.array(column, f.type) for column, f in zip(zip(*rows, strict=True), schema, strict=True)]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), folder.jobs_file, row_group_size=64)
    folder.write_request(PlannedRequest(("merge",), "merge", str(where.parent), "noop"))
    journal = WorkerJournal(folder.results, "noop")
    file = folder.files / journal.worker / "none"
    file.parent.mkdir()
    file.write_bytes(b"no")
    name = file.relative_to(folder.path).as_posix()
    journal.finish(Done(0, journal.worker, name, checksum_file(file), 0.0, time.time(), {}))
    journal.close()
    return JobFolder(folder.path)


def by_processes(folder: Any) -> Spent:
    """Two processes, whose wall time is told; whoever finishes reads the list and what they say."""
    from lecompose.composition.runners.worker import first_records

    words = ("jobs", "run", folder.staging, "--threads", 1, "-q", "--shard")
    start = time.perf_counter()
    begun = [subprocess.Popen(lecompose(*words, f"{n}/2")) for n in (1, 2)]
    if any(process.wait() for process in begun):
        raise SystemExit("a process failed")
    wall_s, cpu = time.perf_counter() - start, time.process_time()
    if len(first_records(folder.read_records())) != len(folder.jobs.tasks):
        raise SystemExit("jobs are missing")
    return Spent(wall_s, time.process_time() - cpu)


def by_ray(folder: Any) -> Spent:
    """Ray on this machine; started before."""
    try:
        import ray
    except ImportError:
        raise Skipped("Ray is not installed") from None
    import logging

    from lecompose.composition.runners.ray_tasks import RayTasks

    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    start, cpu = time.perf_counter(), time.process_time()
    RayTasks(None).carry_out(folder, folder.read_records(), lambda task: None)
    return Spent(time.perf_counter() - start, time.process_time() - cpu)


def by_slurm(folder: Any) -> Spent:
    """SLURM, arrays of four tasks; sbatch and squeue count for the driver."""
    if (
        shutil.which("sbatch") is None
        or subprocess.run(["sinfo"], check=False, capture_output=True).returncode
    ):
        raise Skipped("there is no SLURM here")
    from lecompose.composition.machines import SlurmOptions
    from lecompose.composition.runners.slurm_arrays import SlurmArrays

    with spending() as spent:
        SlurmArrays(SlurmOptions(tasks=4)).carry_out(folder, folder.read_records(), lambda task: None)
    return spent


# What one process does alone --------------------------------------------------------------------


def share(sizes: Sizes, work: Path) -> dict[str, Any]:
    """A merge of very many episodes into very many files: what planning and finishing take of the whole."""
    sources, folder = many_sources(sizes, work), work / ".big.lecompose"
    words = ("jobs", "plan", "merge", *sources, "-o", work / "big", "--video-mb", sizes.video_mb, "-q")
    plan = call(*words)
    jobs = run_all(folder, 2)
    kinds = kinds_of(folder)
    finish = call("jobs", "finish", folder)
    size_bytes = sum(path.stat().st_size for path in (work / "big").rglob("*") if path.is_file())
    found = {
        "sources": sizes.sources,
        "episodes": sizes.sources * sizes.episodes,
        "files": sum(path.suffix in (".mp4", ".parquet") for path in (work / "big").rglob("*")),
        "out_bytes": size_bytes,
        "plan": vars(plan),
        "jobs": vars(jobs),
        "finish": vars(finish),
        "kinds": kinds,
        "share": (plan.cpu_s + finish.cpu_s) / (plan.cpu_s + jobs.cpu_s + finish.cpu_s),
    }
    return found | {"large": extrapolate(found)}


def extrapolate(found: dict[str, Any]) -> dict[str, float]:
    """What a merge of a million episodes in 10,000 files would take, in seconds of processor time.

    What one process does grows with the episodes; the jobs of video files with their bytes, the others with
    the episodes.
    """
    more = _MANY_EPISODES / found["episodes"]
    serial_s = more * (found["plan"]["cpu_s"] + found["finish"]["cpu_s"])
    kinds, of_clock = found["kinds"], sum(kind["seconds"] for kind in found["kinds"].values())
    size_bytes = _MANY_FILES * _FILE_BYTES
    video, check = kinds["video file"], kinds["check file"]
    clock_s = size_bytes * (video["s_a_byte"] + check["s_a_byte"]) + more * kinds["data file"]["seconds"]
    clock_s += _MANY_FILES * (video["fixed_s"] + check["fixed_s"])
    jobs_s = clock_s * found["jobs"]["cpu_s"] / of_clock
    return {"serial_s": serial_s, "jobs_s": jobs_s, "share": serial_s / (serial_s + jobs_s)}


def many_sources(sizes: Sizes, work: Path) -> list[Path]:
    """Sources of short episodes with a camera; ten are made, the others are hard links to their files."""
    made, folder = work / "made", work / "sources"
    options = ("--sources", "10", "--episodes", str(sizes.episodes), "--frames", str(_FRAMES))
    options += ("--clips", "4", "--cameras", "1")
    subprocess.run([sys.executable, str(HERE / "generate.py"), str(made), *options], check=True)
    for n in range(sizes.sources):
        shutil.copytree(made / f"source-{n % 10:04d}", folder / f"s{n:04d}", copy_function=os.link)
    return sorted(folder.iterdir())


def kinds_of(folder: Path) -> dict[str, Any]:
    """What the jobs of each kind took by their workers' clocks: fixed and for each byte, by least squares."""
    from lecompose.composition.runners.job_folder import open_job_folder

    jobs = open_job_folder(folder)
    by_kind: dict[str, list[tuple[int, float]]] = {}
    for number, done in jobs.read_records().done.items():
        task = jobs.jobs.tasks[number]
        by_kind.setdefault(task.kind, []).append((task.size_bytes, done[0].seconds))
    return {kind: fit(points) for kind, points in by_kind.items()}


def fit(points: list[tuple[int, float]]) -> dict[str, float]:
    """Seconds as fixed + per byte × bytes; all for bytes where jobs are of about one size."""
    sizes, seconds = zip(*points, strict=True)
    mean_bytes, mean_s = statistics.fmean(sizes), statistics.fmean(seconds)
    spread = sum((size - mean_bytes) ** 2 for size in sizes)
    common = sum((size - mean_bytes) * (s - mean_s) for size, s in points)
    most = mean_s / mean_bytes if mean_bytes else 0.0
    s_a_byte = min(max(common / spread, 0.0), most) if max(sizes) > 2 * min(sizes) else most
    return {
        "jobs": len(points),
        "size_bytes": float(sum(sizes)),
        "seconds": sum(seconds),
        "median_s": statistics.median(seconds),
        "fixed_s": mean_s - s_a_byte * mean_bytes,
        "s_a_byte": s_a_byte,
    }


# Copying and encoding ---------------------------------------------------------------------------------


def copying(sizes: Sizes, work: Path) -> dict[str, Any]:
    """A merge that copies packets, on one worker of one core: what jobs cost that hardly compute."""
    sources, folder = work / "sources", work / ".copied.lecompose"
    options = ("--sources", 2, "--episodes", sizes.clips, "--frames", 350, "--clips", 4)
    subprocess.run([sys.executable, str(HERE / "generate.py"), str(sources), *map(str, options)], check=True)
    samples, kinds = [], {}
    for _ in range(sizes.rounds):
        words = ("jobs", "plan", "merge", *sorted(sources.iterdir()), "-o", work / "copied", "--video-mb", 50)
        call(*words, "-q")
        samples.append(run_all(folder, 1))
        kinds = kinds_of(folder)
        call("jobs", "cancel", folder)
    return {"one": [vars(spent) for spent in samples], "kinds": kinds}


def encoding(sizes: Sizes, work: Path) -> dict[str, Any]:
    """A merge that encodes every clip again, on one worker of one core and on two."""
    if len(os.sched_getaffinity(0)) < 2 or shutil.which("taskset") is None:
        return {"skipped": "there are not two cores here"}
    found = {}
    for codec, clips in {"h264": sizes.clips, "libsvtav1": max(2, sizes.clips // 5)}.items():
        source, folder = work / f"source-{codec}", work / ".enc.lecompose"
        options = ("--episodes", clips, "--frames", 150, "--clips", 4, "--cameras", 1, "--codec", codec)
        subprocess.run(
            [sys.executable, str(HERE / "generate.py"), str(source), *map(str, options)], check=True
        )
        samples: dict[int, list[Spent]] = {1: [], 2: []}
        kinds = {}
        for _ in range(sizes.rounds):
            for workers, spent in samples.items():
                words = ("merge", source, "-o", work / "enc", "--fps", 15, "--video-mb", 1)
                call("jobs", "plan", *words, "--threads", 1, "-q")
                spent.append(run_all(folder, workers))
                kinds[workers] = kinds_of(folder)
                call("jobs", "cancel", folder)
        pairs = list(zip(samples[1], samples[2], strict=True))
        found[codec] = {
            "clips": clips,
            "one": [vars(spent) for spent in samples[1]],
            "two": [vars(spent) for spent in samples[2]],
            "speedup": statistics.median(one.longest_cpu_s / two.longest_cpu_s for one, two in pairs),
            "speedup_by_clock": statistics.median(one.wall_s / two.wall_s for one, two in pairs),
            "kinds": kinds[1],
        }
        print(codec, found[codec], flush=True)
    return found


# The page ---------------------------------------------------------------------------------------


def page(result: dict[str, Any]) -> str:
    """All that was measured, with the bars first."""
    lines = ["# Many machines", "", f"`{result['command']}`; read off the JSON beside this page.", ""]
    lines += rows_of(["bar", "measured", "met"], _bars(result))
    lines += ["", "## Jobs by kind, by their workers' clocks", ""]
    lines += rows_of(
        ["part, kind", "jobs", "MB read", "seconds in all", "fixed, ms", "ms a MB"], _kinds(result)
    )
    return "\n".join(lines) + "\n"


def _bars(result: dict[str, Any]) -> Iterator[list[str]]:
    for name, found in result.get("noop", {}).items():
        bar = f"driver time of a job that does nothing, {name}: ≤ {1000 * MOST_JOB_S:g} ms"
        if "skipped" in found:
            yield [bar, found["skipped"], "–"]
        else:
            own, wall = (f"{1000 * found[name]:.2f} ms" for name in ("driver_s_a_job", "wall_s_a_job"))
            told = f"{own} of processor, {wall} from first to last"
            yield [f"{bar} ({found['jobs']:,} jobs)", told, _met(found["driver_s_a_job"] <= MOST_JOB_S)]
    if found := result.get("share"):
        of = f"{found['episodes']:,} episodes, {found['files']:,} files"
        bar = f"share of planning and finishing, {of}: ≤ {100 * MOST_SHARE:g} %"
        told = f"{100 * found['share']:.1f} % ({found['out_bytes'] / 1e9:.1f} GB)"
        yield [bar, told, _met(found["share"] <= MOST_SHARE)]
        large = found["large"]
        of = f"{_MANY_EPISODES:,} episodes, {_MANY_FILES:,} files of {_FILE_BYTES / 1e6:g} MB, by the model"
        bar = f"share of planning and finishing, {of}: ≤ {100 * MOST_SHARE:g} %"
        whole_s = large["serial_s"] + large["jobs_s"]
        told = f"{100 * large['share']:.1f} % ({large['serial_s']:,.0f} s of {whole_s:,.0f})"
        yield [bar, told, _met(large["share"] <= MOST_SHARE)]
    for codec, found in result.get("encoding", {}).items():
        bar = f"encoding, {codec}: two workers of a core ≥ {LEAST_SPEEDUP} × one"
        if codec == "skipped":
            yield [bar, str(found), "–"]
        else:
            told = (
                f"{found['speedup']:.2f} × by processor time, {found['speedup_by_clock']:.2f} × by the clock"
            )
            yield [bar, told, _met(found["speedup"] >= LEAST_SPEEDUP)]


def _met(is_met: bool) -> str:
    return "yes" if is_met else "**no**"


def _kinds(result: dict[str, Any]) -> Iterator[list[str]]:
    parts = {name: result.get(name, {}) for name in ("share", "copying")}
    parts |= {codec: found for codec, found in result.get("encoding", {}).items() if codec != "skipped"}
    for part, found in parts.items():
        for kind, k in found.get("kinds", {}).items():
            numbers = [f"{k['jobs']:,}", f"{k['size_bytes'] / 1e6:,.1f}", f"{k['seconds']:,.1f}"]
            yield [f"{part}, {kind}", *numbers, f"{1000 * k['fixed_s']:.1f}", f"{1e9 * k['s_a_byte']:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one; may be repeated")
    parser.add_argument("--folder", type=Path, help="where it works (default: a temporary folder)")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args()
    path = args.out / ("cluster-full.json" if args.full else "cluster.json")
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    parts: dict[str, Callable[[Sizes, Path], dict[str, Any]]] = {
        "noop": noop,
        "share": share,
        "copying": copying,
        "encoding": encoding,
    }
    with tempfile.TemporaryDirectory(prefix="bench-", dir=args.folder) as folder:
        result |= {"machine": machine(Path(folder)), "versions": versions("ray")}
        result["command"] = "python benchmarks/bench_cluster.py" + (" --full" if args.full else "")
        for name in args.part or PARTS:
            work = Path(folder) / name
            work.mkdir()
            result[name] = rounded(parts[name](FULL if args.full else SMALL, work))
            shutil.rmtree(work)
            path.write_text(json.dumps(result, indent=2) + "\n")
            path.with_suffix(".md").write_text(page(result))
    print(page(result))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(HERE.parent / "src"))
    main()
