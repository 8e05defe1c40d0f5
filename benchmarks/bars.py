"""The bars: what each workload is held to. They are about the full sizes, on two idle cores.

A bar reads one number off the results: a median, or a ratio of medians of same-round ratios, as cases.py
writes them. None where a tool or a case is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
MIB_OF_600_MB, MIB_OF_4_GB = 600e6 / 2**20, 4e9 / 2**20


@dataclass(frozen=True)
class Bar:
    """One promise of one workload: a `value` of its JSON, and the `most` or the `least` it may be."""

    workload: str
    says: str
    value: Callable[[Json], float | None]
    unit: str
    most: float | None = None
    least: float | None = None

    def is_met(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


# Reading numbers ------------------------------------------------------------------------------


def case_of(results: Json, name: str) -> Json | None:
    """A case by its name, or by how it begins."""
    return next((case for case in results["cases"] if case["case"].startswith(name)), None)


def ratio(case: str, of: str, to: str, measure: str = "wall") -> Callable[[Json], float | None]:
    """How often the rival's number one of ours is: the median over the rounds."""

    def value(results: Json) -> float | None:
        found = case_of(results, case)
        rows = [r for r in found["ratios"] if (r["of"], r["to"]) == (of, to)] if found else []
        return rows[0][measure]["median"] if rows else None

    return value


def times_faster(case: str, rival: str) -> Callable[[Json], float | None]:
    """How often our wall time goes into the rival's."""
    inverse = ratio(case, "lecompose", rival)
    return lambda results: None if (found := inverse(results)) is None else 1 / found


def seconds_of(case: Json, stage: str) -> float:
    """What one stage of lecompose took."""
    return float(case["variants"]["lecompose"]["median"]["stages"][stage])


def stage(case: str, name: str) -> Callable[[Json], float | None]:
    """The seconds that one of lecompose's stages took."""

    def value(results: Json) -> float | None:
        found = case_of(results, case)
        return seconds_of(found, name) if found and "lecompose" in found["variants"] else None

    return value


def median(case: str, name: str, measure: str) -> Callable[[Json], float | None]:
    """One number of one variant."""

    def value(results: Json) -> float | None:
        found = case_of(results, case)
        variant = found["variants"].get(name) if found else None
        return variant["median"][measure] if variant else None

    return value


def between(one: str, other: str) -> Callable[[Json], float | None]:
    """How often lecompose's wall time in one case is that in another."""

    def value(results: Json) -> float | None:
        pair = [median(case, "lecompose", "wall_s")(results) for case in (one, other)]
        return None if None in pair else pair[0] / pair[1]

    return value


def growth(results: Json) -> float | None:
    """What planning one more episode costs between the two largest sizes, against the smaller ones."""
    cases = sorted((c for c in results["cases"] if "lecompose" in c["variants"]), key=lambda c: c["x"])
    if len(cases) < 3:
        return None
    seconds = [seconds_of(case, "plan") for case in cases[-3:]]
    steps = [b["x"] - a["x"] for a, b in zip(cases[-3:], cases[-2:], strict=False)]
    small, large = ((b - a) / n for a, b, n in zip(seconds, seconds[1:], steps, strict=False))
    return large / small if small > 0 else None


def exact(*cases: str) -> Callable[[Json], float | None]:
    """In how many of the cases our output differed from its source."""

    def value(results: Json) -> float | None:
        found = [case for name in cases if (case := case_of(results, name))]
        lines = [" ".join(case["equality"]["differing"]) for case in found]
        return float(sum("sources and lecompose differ" in line for line in lines)) if found else None

    return value


# The bars -------------------------------------------------------------------------------------

BARS = (
    Bar(
        "V5",
        "≤ 0.9 × polars writing the same row groups",
        ratio("whole", "lecompose", "polars-episode"),
        "×",
        0.9,
    ),
    Bar("V5", "≤ ½ of its peak memory", ratio("whole", "lecompose", "polars-episode", "rss"), "×", 0.5),
    Bar("V5", "≥ 10 × faster than LeRobot", times_faster("whole", "lerobot"), "×", least=10),
    Bar("S20", "one episode a source ≤ 3 × two sources", between("one episode each", "2 sources"), "×", 3),
    Bar("T2k", "≤ polars writing the same row groups", ratio("plain", "lecompose", "polars-episode"), "×", 1),
    Bar("T2k", "packed ≤ polars in its own row groups", ratio("plain", "lecompose-packed", "polars"), "×", 1),
    Bar("T2k", "with videos ≤ 3 × cp -r", ratio("with a video each", "lecompose", "cp"), "×", 3),
    Bar("I1", "≤ 2 × cp -r", ratio("merge", "lecompose", "cp"), "×", 2),
    Bar("I1", "peak memory ≤ 600 MB", median("merge", "lecompose", "rss_mib"), "MiB", MIB_OF_600_MB),
    Bar("I1", "≥ 5 × faster than LeRobot", times_faster("merge", "lerobot"), "×", least=5),
    *(
        bar
        for case in (f"{n} episodes, {codec}" for codec in ("av1", "h264", "hevc") for n in ("60", "1,000"))
        for bar in (
            Bar(
                "W200", f"{case}, tmpfs: ≤ 1.3 × cp -r", ratio(f"{case}, tmpfs", "lecompose", "cp"), "×", 1.3
            ),
            Bar("W200", f"{case}, disk: ≤ 1.6 × cp -r", ratio(f"{case}, disk", "lecompose", "cp"), "×", 1.6),
            *(
                Bar(
                    "W200",
                    f"{case}, tmpfs: ≥ 3 × faster than {name}",
                    times_faster(f"{case}, tmpfs", tool),
                    "×",
                    least=3,
                )
                for tool, name in (("ffmpeg", "ffmpeg -c copy"), ("refiner", "refiner"))
            ),
        )
    ),
    *(
        Bar(
            "SP",
            f"{job} of {data}: ≥ {least} × faster than LeRobot",
            times_faster(f"{job} {data}", "lerobot"),
            "×",
            least=least,
        )
        for data, least in (("W200", 500), ("V5/10", 150))
        for job in ("split", "delete")
    ),
    Bar(
        "SP",
        "every value and packet the source's",
        exact(*(f"{job} {data}" for job in ("split", "delete") for data in ("V5/10", "I1", "W200"))),
        "cases differ",
        0,
    ),
    Bar(
        "ST", "≤ 1.5 × polars reading the columns", ratio("stats", "lecompose", "polars, read only"), "×", 1.5
    ),
    Bar("ST", "stays within --memory 1GB", median("stats", "lecompose, 1GB", "rss_mib"), "MiB", 1e9 / 2**20),
    Bar(
        "P1M", "1,000,000 episodes planned and laid out ≤ 30 s", stage("1,000,000 episodes", "plan"), "s", 30
    ),
    Bar(
        "P1M",
        "in ≤ 4 GB, opening included",
        median("1,000,000 episodes", "lecompose", "rss_mib"),
        "MiB",
        MIB_OF_4_GB,
    ),
    Bar("P1M", "linear: one more costs ≤ 1.25 × as much as at a tenth", growth, "×", 1.25),
    Bar("U", "--help ≤ 0.15 s of CPU", median("help", "lecompose", "cpu_s"), "s", 0.15),
    Bar(
        "U",
        "merge of two tiny datasets ≥ 5 × faster than LeRobot's process",
        times_faster("merge of two", "lerobot"),
        "×",
        least=5,
    ),
)
