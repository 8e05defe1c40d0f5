"""Results as pictures: cost against size, and all workloads side by side. Numbers are read off the JSON."""

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

GREY, FLOOR = "#999999", "floor: cp -r, or reading only"
# Colours of Okabe and Ito, which the colour-blind tell apart; a mark of its own besides.
LOOK = {
    "cp": (GREY, "s", "cp -r"),
    "python": (GREY, "s", "python -c pass"),
    "polars, read only": (GREY, "s", "polars, reading only"),
    "polars, lengths only": (GREY, "s", "polars, lengths only"),
    "lecompose": ("#0072B2", "o", "lecompose"),
    "polars": ("#E69F00", "^", "polars"),
    "polars-episode": ("#D55E00", "v", "polars, same row groups"),
    "numpy": ("#F0E442", "^", "numpy"),
    "ffmpeg": ("#009E73", "P", "ffmpeg -c copy"),
    "refiner": ("#CC79A7", "X", "refiner"),
    "lerobot": ("#56B4E9", "D", "LeRobot"),
    "lerobot-convert": ("#56B4E9", "D", "LeRobot"),
}
SERIES = ("V5", "S20", "P1M")
WIDTH_IN, DPI = 9, 130  # readable at the width of a README


def draw(written: dict[str, Json], folder: Path) -> list[str]:
    """The names of the pictures drawn into the folder; none where there is no matplotlib."""
    if not importlib.util.find_spec("matplotlib"):
        print("no charts: matplotlib is not installed. Try: pip install 'lecompose[bench]'")
        return []
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    names = []
    if bars := list(_against_floor(written)):
        names.append(_overview(bars, folder))
    return names + [_series(written[name], folder) for name in SERIES if name in written]


# Cost against size ----------------------------------------------------------------------------


def _series(workload: Json, folder: Path) -> str:
    """Wall time and peak memory against size, a line a tool, both axes logarithmic."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(WIDTH_IN, 4.2), layout="constrained")
    for axis, (measure, label) in zip(
        axes, (("wall_s", "wall time, seconds"), ("rss_mib", "peak memory, MiB")), strict=True
    ):
        for tool, points in _lines(workload, measure).items():
            colour, mark, name = LOOK[tool]
            width = 2.4 if tool == "lecompose" else 1.4
            axis.plot(*zip(*points, strict=True), color=colour, marker=mark, label=name, linewidth=width)
        axis.set(xscale="log", yscale="log", xlabel=workload["axis"], ylabel=label)
        _plain_numbers(axis.yaxis)
        axis.set_xticks([case["x"] for case in workload["cases"]], minor=False)
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.xaxis.minorticks_off()
        axis.grid(which="major", color="#dddddd", linewidth=0.6)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle(f"{workload['workload']}: {workload['what']}", fontsize=11)
    return _saved(figure, folder, f"{workload['workload']}.png")


def _plain_numbers(axis: Any) -> None:
    """Ticks at 1, 2, 5, 10 …, or at the powers of ten where there are many; 0.5, not 5 × 10⁻¹."""
    from matplotlib.ticker import LogLocator

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 500 else (1,)))
    axis.set_major_formatter("{x:,.10g}")
    axis.minorticks_off()


def _lines(workload: Json, measure: str) -> dict[str, list[tuple[float, float]]]:
    """For each tool the points of its line, by size."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for case in sorted(workload["cases"], key=lambda c: c["x"]):
        for tool, variant in case["variants"].items():
            if tool in LOOK:
                lines.setdefault(tool, []).append((case["x"], variant["median"][measure]))
    return lines


# All workloads --------------------------------------------------------------------------------

# The cases of the overview, by the beginning of their names, and what is drawn as their floor.
OVERVIEW = (
    ("V5", "whole", "merge, vectors", "cp"),
    ("S20", "one episode each", "merge, one episode a source", "cp"),
    ("T2k", "plain", "merge, v2.1", "cp"),
    ("T2k", "with a video each", "merge, v2.1 with videos", "cp"),
    ("I1", "merge", "merge, pictures", "cp"),
    ("W200", "1,000 episodes, av1, disk", "merge, video", "cp"),
    ("W200", "60 episodes, av1, disk", "merge, video", "cp"),
    ("SP", "split V5/10", "split, vectors", "cp"),
    ("SP", "split W200", "split, video", "cp"),
    ("ST", "stats", "statistics", "polars, read only"),
)


def _against_floor(written: dict[str, Json]) -> Iterator[tuple[str, dict[str, float]]]:
    """A label and the wall time of each tool; one case of each label, the largest that was measured."""
    seen = set()
    for workload, begins, label, floor in OVERVIEW:
        cases = written.get(workload, {"cases": []})["cases"]
        for case in (c for c in cases if c["case"].startswith(begins)):
            seconds = {name: v["median"]["wall_s"] for name, v in case["variants"].items() if name in LOOK}
            if label not in seen and floor in seconds and "lecompose" in seconds:
                seen.add(label)
                yield f"{workload}: {label}", seconds


def _overview(bars: list[tuple[str, dict[str, float]]], folder: Path) -> str:
    """A group of horizontal bars a workload, a bar a tool: wall seconds, on a logarithmic axis."""
    import matplotlib.pyplot as plt

    rows = sum(len(seconds) + 1 for _, seconds in bars)
    figure, axis = plt.subplots(figsize=(WIDTH_IN, 0.17 * rows + 1.2), layout="constrained")
    at, places = 0.0, []
    for _, seconds in bars:
        first = at
        for tool in (tool for tool in LOOK if tool in seconds):
            colour, _, name = LOOK[tool]
            axis.barh(at, seconds[tool], height=0.9, color=colour, label=FLOOR if colour == GREY else name)
            axis.text(seconds[tool] * 1.05, at, f"{seconds[tool]:.3g} s", va="center", fontsize=7)
            at += 1
        places.append((first + at - 1) / 2)
        at += 1
    axis.set_yticks(places, [label for label, _ in bars])
    axis.invert_yaxis()
    axis.set(xscale="log", xlabel="wall time of the whole command, seconds; each step is ten times the last")
    numbers = [number for _, seconds in bars for number in seconds.values()]
    axis.set_xlim(10 ** math.floor(math.log10(min(numbers) * 0.8)), max(numbers) * 2)
    axis.xaxis.set_major_formatter("{x:,.10g}")
    axis.xaxis.minorticks_off()
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=4, frameon=False)
    return _saved(figure, folder, "overview.png")


def _saved(figure: Any, folder: Path, name: str) -> str:
    import matplotlib.pyplot as plt

    # No date inside: the same results are the same file.
    figure.savefig(folder / name, dpi=DPI, metadata={"Software": None})
    plt.close(figure)
    return name
