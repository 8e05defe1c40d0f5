"""One case measured: its variants in alternating rounds, each run a process of its own; outputs compared."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from compare import disagreements
from measure import MIB, CommandFailed, Sample, medians, run, spread
from rivals import Rival, home_of
from variants import GIVEN, Variant, command, doing, outputs, told
from workloads import Case

HERE = Path(__file__).resolve().parent
# A rival that is far away takes part in half of the rounds; one that also takes long is run only once, cold.
ONCE_S = 60


@dataclass(frozen=True)
class Bench:
    """What all cases share. `work` is a folder for what rivals need, none of it measured."""

    rivals: dict[str, Rival | str]
    work: Path
    rounds: int
    timeout_s: float
    tools: tuple[str, ...] = ()


@dataclass
class Result:
    """All that was found of one case: samples of each variant, of which round 0 is the warm-up, and facts."""

    case: Case
    sizes: dict[str, Any]
    variants: dict[str, Variant] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def counted(self, name: str) -> list[Sample]:
        """The samples that count: those after the warm-up, or it alone where one run took too long."""
        return self.samples[name][1:] or self.samples[name]

    def as_dict(self) -> dict[str, Any]:
        differing = disagreements(self.facts)
        return {
            "case": self.case.name,
            "job": self.case.job,
            "x": self.case.x,
            "data": asdict(self.case.data),
            "sizes": self.sizes,
            "variants": {
                name: {
                    "lacks": self.variants[name].lacks,
                    "rounds": len(self.samples[name]) - 1,
                    "median": medians(self.counted(name)),
                    "samples": [asdict(sample) for sample in self.samples[name]],
                }
                for name in self.samples
            },
            "ratios": list(self._ratios()),
            "skipped": self.skipped,
            "failed": self.failed,
            "equality": {
                "equal": not differing,
                "differing": differing,
                "compared": {name: list(facts) for name, facts in self.facts.items()},
            },
        }

    def _ratios(self) -> Iterator[dict[str, Any]]:
        ours = [name for name in self.samples if self.variants[name].is_ours]
        rivals = [name for name in self.samples if not self.variants[name].is_ours]
        for name in ours:
            for rival in rivals:
                yield {"of": name, "to": rival} | self._ratio(name, rival)

    def _ratio(self, name: str, rival: str) -> dict[str, Any]:
        """Runs of the same rounds, put against each other; the warm-up where nothing else is shared."""
        pairs = list(zip(self.samples[name], self.samples[rival], strict=False))
        pairs = pairs[1:] or pairs
        stages = pairs[0][0].stages.keys() & pairs[0][1].stages.keys() - {"import", "open", "plan"}
        return {
            "wall": spread([one.wall_s / other.wall_s for one, other in pairs]),
            "cpu": spread([one.cpu_s / other.cpu_s for one, other in pairs]),
            "rss": spread([one.rss_mib / other.rss_mib for one, other in pairs]),
            "stages": {
                stage: spread([one.stages[stage] / other.stages[stage] for one, other in pairs])
                for stage in sorted(stages)
            },
        }


def measured(case: Case, sources: list[Path], folder: Path, bench: Bench) -> Result:
    """Every variant once to warm up, then in rounds that alternate; what its first run wrote is compared."""
    result = Result(case, sizes(sources))
    for variant in doing(case.job, case.tools):
        if why := _unavailable(variant, case, bench):
            result.skipped[variant.name] = why
            print(f"    {variant.name}: SKIPPED, {why}", flush=True)
        else:
            result.variants[variant.name] = variant
    if case.job in ("merge", "split", "delete"):
        result.facts["sources"] = _facts(sources, GIVEN, case)
    for number in range(bench.rounds + 1):
        for variant in result.variants.values():
            if number == 0 or number <= _rounds(variant, result.samples.get(variant.name), bench.rounds):
                _once(result, variant, sources, folder, bench, number)
    return result


def _unavailable(variant: Variant, case: Case, bench: Bench) -> str | None:
    """Why a variant is not run; null where it is."""
    if bench.tools and variant.name not in bench.tools:
        return "not asked for"
    rival = bench.rivals[variant.tool] if variant.tool else None
    return rival if isinstance(rival, str) else case.too_long.get(variant.name)


def _rounds(variant: Variant, samples: list[Sample] | None, rounds: int) -> int:
    """How many rounds a variant takes part in after its warm-up; none where that failed."""
    if not samples or (variant.is_far_away and samples[0].wall_s > ONCE_S):
        return 0
    return rounds // 2 if variant.is_far_away else rounds


def _once(
    result: Result, variant: Variant, sources: list[Path], folder: Path, bench: Bench, number: int
) -> None:
    """One run; a sample more, or the reason why there is none."""
    for attempt in (1, 2):
        try:
            sample, facts = _run(variant, sources, folder, bench, number)
            break
        except (CommandFailed, subprocess.CalledProcessError, ValueError) as error:
            print(f"    {number} {variant.name}: FAILED, {error}", flush=True)
            result.failed[variant.name] = str(error)
            # LeRobot's libraries now and then abort when its work is done; ours may not fail even once.
            if variant.is_ours or "stopped after" in str(error) or attempt == 2:
                result.samples.pop(variant.name, None)
                return
    if not variant.is_ours:
        result.failed.pop(variant.name, None)
    if facts:
        result.facts[variant.name] = facts
    result.samples.setdefault(variant.name, []).append(sample)
    print(f"    {number} {variant.name:18} {sample.wall_s:8.2f} s {sample.rss_mib:7.0f} MiB", flush=True)


def _run(
    variant: Variant, sources: list[Path], folder: Path, bench: Bench, number: int
) -> tuple[Sample, dict[str, Any]]:
    """A sample, and what the output of a warm-up holds. Errors: CommandFailed, and those of looking at it."""
    rival = bench.rivals[variant.tool] if variant.tool else None
    assert not isinstance(rival, str)
    shutil.rmtree(home_of(bench.work), ignore_errors=True)
    home_of(bench.work).mkdir()
    with emptied(folder / "out") as out, _given(variant, sources, folder) as given:
        words, around = command(variant, rival, given, out), rival.environment if rival else None
        sample, said = run(words, out, number=number, environment=around, timeout_s=bench.timeout_s)
        stages, answer = told(variant, said)
        facts = _told_facts(variant, out, answer) if number == 0 and variant.facts else {}
    return replace(sample, stages=stages), facts


def _told_facts(variant: Variant, out: Path, answer: Any) -> dict[str, Any]:
    """What a variant answered, or what its outputs hold."""
    return {"answer": answer} if "answer" in variant.facts else _facts(outputs(variant, out), variant.facts)


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """An empty folder, gone afterwards."""
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _given(variant: Variant, sources: list[Path], folder: Path) -> Iterator[list[Path]]:
    """The sources, or copies of them for a variant that works in place."""
    if not variant.in_place:
        yield sources
        return
    with emptied(folder / "copies") as copies:
        yield [shutil.copytree(root, copies / root.name) for root in sources]


def _facts(roots: list[Path], wanted: tuple[str, ...], case: Case | None = None) -> dict[str, Any]:
    """What datasets hold; of a case's sources, what must be left of them."""
    less = ["--without=1"] if case and case.job == "delete" else []
    read = [sys.executable, str(HERE / "compare.py"), *map(str, roots), *less, "--only", *wanted]
    return dict(json.loads(subprocess.run(read, check=True, capture_output=True, text=True).stdout))


def sizes(sources: list[Path]) -> dict[str, Any]:
    """What the sources hold, all together."""
    infos = [json.loads((root / "meta/info.json").read_text()) for root in sources]
    files = [path for root in sources for path in root.rglob("*") if path.is_file()]
    return {
        "sources": len(sources),
        "version": infos[0]["codebase_version"],
        "episodes": sum(info["total_episodes"] for info in infos),
        "rows": sum(info["total_frames"] for info in infos),
        "files": len(files),
        "mib": sum(path.stat().st_size for path in files) / MIB,
    }
