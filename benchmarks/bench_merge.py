"""Measures `lecompose merge` beside other tools: every variant a process of its own, in alternating rounds.

    python benchmarks/bench_merge.py                    default sizes, a few minutes
    python benchmarks/bench_merge.py --full             5 million rows, 2,000 files, 1 GB of video
    python benchmarks/bench_merge.py --workload vector --sources 20 --episodes 50

Writes benchmarks/results/merge.json (merge-full.json), and the same as a Markdown table.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import table
from measure import MIB, CommandFailed, Sample, machine, medians, run, spread, versions
from variants import LACKS

HERE = Path(__file__).resolve().parent
CAMERAS = ("observation.images.front", "observation.images.wrist")


@dataclass(frozen=True)
class Workload:
    """Sources to be merged, and who merges them. Units: `frames` an episode, about."""

    name: str
    what: str
    version: str
    sources: int
    episodes: int
    frames: int
    clips: int
    variants: tuple[str, ...]

    @property
    def is_video(self) -> bool:
        return self.clips > 0


# Rounds go in this order, and tables too. The second number of each ratio is the rival's.
_DATA = ("cp", "polars", "polars-episode", "lecompose", "lecompose-packed")
_VIDEO = ("cp", "ffmpeg", "lecompose")
# (variant, rival, stage): null is the whole command, a stage compares the pure writing of both.
RATIOS: tuple[tuple[str, str, str | None], ...] = (
    ("lecompose", "cp", None),
    ("lecompose", "polars", None),
    ("lecompose", "polars-episode", None),
    ("lecompose-packed", "polars", None),
    ("lecompose", "ffmpeg", None),
    ("lecompose", "polars-episode", "data"),
    ("lecompose", "polars", "data"),
    ("lecompose-packed", "polars", "data"),
    ("lecompose", "ffmpeg", "video"),
)


def workloads(args: argparse.Namespace) -> list[Workload]:
    """All workloads at the sizes asked for."""
    full = args.full
    sources, frames = args.sources or 4, args.frames or (500 if full else 300)
    episodes = args.episodes or (2500 if full else 250)
    small = (args.small_episodes or (2000 if full else 400)) // 4
    clips = args.video_episodes or (800 if full else 60)
    what = "one parquet and two mp4 files an episode"
    return [
        Workload("vector", "state[14] + action[14] float32", "v3.0", sources, episodes, frames, 0, _DATA),
        Workload("small", "one parquet file an episode", "v2.1", 4, small, 300, 0, _DATA),
        Workload("video", "two cameras, av1, files up to 200 MiB", "v3.0", 2, clips, 40, 4, _VIDEO),
        Workload("clips", f"two cameras, av1, {what}", "v2.1", 2, clips, 40, 4, _VIDEO),
    ]


# Preparation ----------------------------------------------------------------------------------


def generate(workload: Workload, folder: Path) -> list[Path]:
    """The sources of a workload, made anew."""
    roots = [folder / f"source-{seed}" for seed in range(workload.sources)]
    for seed, root in enumerate(roots):
        sizes = {"episodes": workload.episodes, "frames": workload.frames, "clips": workload.clips}
        options = [f"--{name}={value}" for name, value in (sizes | {"seed": seed}).items()]
        command = [sys.executable, str(HERE / "generate.py"), str(root), f"--version={workload.version}"]
        subprocess.run([*command, *options], check=True)
    return roots


def unavailable(variant: str) -> str | None:
    """Why a variant cannot run here; null where it can."""
    if variant.startswith("polars") and not importlib.util.find_spec("polars"):
        return "polars is not installed. Try: pip install polars"
    if variant == "ffmpeg" and not shutil.which("ffmpeg"):
        return "no ffmpeg on PATH"
    return None


def command(variant: str, sources: list[Path], out: Path) -> list[str]:
    """The command line of one variant."""
    if variant == "cp":
        return ["cp", "-r", *map(str, sources), str(out)]
    return [sys.executable, str(HERE / "variants.py"), variant, *map(str, sources), "--out", str(out)]


# Measuring ------------------------------------------------------------------------------------


@dataclass
class Result:
    """All that was found of one workload."""

    workload: Workload
    sizes: dict[str, Any]
    samples: dict[str, list[Sample]]
    skipped: dict[str, str]
    facts: dict[str, dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        found = self.facts.values()
        return {
            **{k: v for k, v in asdict(self.workload).items() if k != "variants"},
            "sizes": self.sizes,
            "variants": {
                name: {
                    "lacks": LACKS.get(name),
                    "median": medians(samples),
                    "samples": [asdict(sample) for sample in samples],
                }
                for name, samples in self.samples.items()
            },
            "ratios": list(self._ratios()),
            "skipped": self.skipped,
            "equality": {
                "equal": all(same(f) == same(next(iter(found))) for f in found),
                "facts": self.facts,
            },
        }

    def _ratios(self) -> Iterator[dict[str, Any]]:
        for variant, rival, stage in RATIOS:
            pairs = list(zip(self.samples.get(variant, []), self.samples.get(rival, []), strict=False))
            if not pairs or (stage and stage not in pairs[0][0].stages.keys() & pairs[0][1].stages.keys()):
                continue
            wall = [s.stages[stage] / r.stages[stage] if stage else s.wall_s / r.wall_s for s, r in pairs]
            ratio: dict[str, Any] = {"of": variant, "to": rival, "stage": stage, "wall": spread(wall)}
            if stage is None:
                ratio["cpu"] = spread([s.cpu_s / r.cpu_s for s, r in pairs])
            yield ratio


def same(facts: dict[str, Any]) -> dict[str, Any]:
    """What must be equal between tools: not how rows are spread over files and row groups."""
    return {name: value for name, value in facts.items() if name not in ("files", "row_groups")}


def measure(workload: Workload, folder: Path, *, rounds: int) -> Result:
    """Every variant, once unmeasured and then in `rounds` alternating rounds; facts of each first output."""
    sources = generate(workload, folder)
    skipped = {v: why for v in workload.variants if (why := unavailable(v))}
    for variant, why in skipped.items():
        print(f"  {variant}: SKIPPED, {why}")
    variants = [v for v in workload.variants if v not in skipped]
    result = Result(workload, sizes(workload, sources), {v: [] for v in variants}, skipped, {})
    for number in range(rounds + 1):
        for variant in variants:
            with emptied(folder / "out") as out:
                sample = run(command(variant, sources, _target(variant, out)), out, number=number)
                if number == 0:
                    note_facts(result, variant, sources, _target(variant, out))
                    continue
            result.samples[variant].append(sample)
            print(
                f"  {number}/{rounds} {variant:17} {sample.wall_s:7.2f} s  {sample.rss_mib:6.0f} MiB",
                flush=True,
            )
    return result


def _target(variant: str, out: Path) -> Path:
    return out if variant == "cp" else out / "merged"


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """An empty folder, gone afterwards."""
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def sizes(workload: Workload, sources: list[Path]) -> dict[str, Any]:
    """What the sources hold, all together."""
    infos = [json.loads((root / "meta/info.json").read_text()) for root in sources]
    files = [path for root in sources for path in root.rglob("*") if path.is_file()]
    return {
        "sources": workload.sources,
        "episodes": sum(info["total_episodes"] for info in infos),
        "rows": sum(info["total_frames"] for info in infos),
        "files": len(files),
        "mib": sum(path.stat().st_size for path in files) / MIB,
    }


def note_facts(result: Result, variant: str, sources: list[Path], out: Path) -> None:
    """Keep what an output holds, for the comparison; of videos, what the sources hold too."""
    if variant == "cp":
        if result.workload.is_video:
            result.facts["sources"] = facts(sources, video=True)
    else:
        result.facts[variant] = facts([out], video=result.workload.is_video)


def facts(roots: list[Path], *, video: bool) -> dict[str, Any]:
    options = [f"--camera={camera}" for camera in CAMERAS] if video else []
    read = [sys.executable, str(HERE / "compare.py"), *map(str, roots), *options]
    return dict(json.loads(subprocess.run(read, check=True, capture_output=True, text=True).stdout))


# Results --------------------------------------------------------------------------------------


def report(results: list[Result], args: argparse.Namespace, where: dict[str, Any]) -> dict[str, Any]:
    """All results as one JSON value."""
    return {
        "benchmark": "merge",
        "full": args.full,
        "rounds": args.rounds,
        "machine": where,
        "versions": versions(),
        "workloads": [rounded(result.as_dict()) for result in results],
    }


def rounded(value: Any) -> Any:
    """Four significant digits: more would be noise."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size: Callable[..., Any] = parser.add_argument
    size("--full", action="store_true", help="large sizes: minutes a round, 8 GB of disk")
    size("--rounds", type=int, default=5)
    size("--workload", action="append", choices=("vector", "small", "video", "clips"), help="default: all")
    size("--sources", type=int, help="vector: sources")
    size("--episodes", type=int, help="vector: episodes a source")
    size("--frames", type=int, help="vector: frames an episode, about")
    size("--small-episodes", type=int, help="small: files in all")
    size("--video-episodes", type=int, help="video, clips: episodes a source")
    size("--work", type=Path, help="where the data is made for the time being; default: the temporary folder")
    size("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


def main() -> int:
    args = parsed()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_checkout(), os.environ.get("PYTHONPATH")]))
    results = []
    with tempfile.TemporaryDirectory(prefix="bench-merge-", dir=args.work) as work:
        where = machine(Path(work))
        for workload in workloads(args):
            if args.workload and workload.name not in args.workload:
                continue
            print(f"{workload.name}: {workload.what}", flush=True)
            with emptied(Path(work) / workload.name) as folder:
                try:
                    results.append(measure(workload, folder, rounds=args.rounds))
                except (CommandFailed, subprocess.CalledProcessError) as error:
                    print(f"{workload.name} failed: {error}", file=sys.stderr)
                    return 1
    found = report(results, args, where)
    target = args.results / ("merge-full.json" if args.full else "merge.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    target.with_suffix(".md").write_text(table.markdown(found), encoding="utf-8")
    print(table.markdown(found))
    return 0 if all(w["equality"]["equal"] for w in found["workloads"]) else 1


def _checkout() -> str | None:
    """The source folder, where lecompose is not installed."""
    return None if importlib.util.find_spec("lecompose") else str(HERE.parent / "src")


if __name__ == "__main__":
    sys.exit(main())
