"""The results as Markdown: every number is read off the JSON.

python benchmarks/table.py benchmarks/results/merge.json
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def markdown(results: Json) -> str:
    """A page for one results file."""
    return "\n".join(_page(results)) + "\n"


def _page(results: Json) -> Iterator[str]:
    machine = results["machine"]
    yield f"# `lecompose merge`{', full size' if results['full'] else ''}"
    yield ""
    yield (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']},"
        f" {machine['filesystem']}; load {machine['load_at_start']} at the start."
    )
    yield ", ".join(f"{name} {version}" for name, version in results["versions"].items() if version) + "."
    yield (
        f"Medians of {results['rounds']} alternating rounds, each run a process of its own; sources in the"
        " page cache, no fsync."
    )
    for workload in results["workloads"]:
        yield from _workload(workload)


def _workload(workload: Json) -> Iterator[str]:
    sizes, variants = workload["sizes"], workload["variants"]
    yield ""
    yield f"## {workload['name']}: {workload['what']}"
    yield ""
    yield (
        f"{sizes['sources']} {workload['version']} sources, {sizes['episodes']:,} episodes,"
        f" {sizes['rows']:,} frames, {sizes['files']:,} files, {sizes['mib']:,.0f} MiB."
    )
    yield ""
    yield from rows_of(
        ("whole command", "wall s", "CPU s", "peak RSS MiB", "output MiB", "of it data MiB"),
        ((f"`{name}`", *_numbers(variant["median"])) for name, variant in variants.items()),
    )
    yield ""
    yield from rows_of(("same-round ratios", "wall", "CPU"), map(_ratio, workload["ratios"]))
    yield ""
    yield from _stages(variants)
    yield ""
    yield from (f"- `{name}`: {v['lacks']}." for name, v in variants.items() if v["lacks"])
    yield from (f"- `{name}`: skipped, {why}." for name, why in workload["skipped"].items())
    yield f"- {_equality(workload['equality'])}"


def _numbers(median: Json) -> Iterator[str]:
    yield _seconds(median["wall_s"])
    yield _seconds(median["cpu_s"])
    yield from (f"{median[name]:,.0f}" for name in ("rss_mib", "out_mib", "data_mib"))


def _ratio(ratio: Json) -> tuple[str, str, str]:
    scope = f"{ratio['stage']} stage only" if ratio["stage"] else "whole command"
    cpu = _spread(ratio["cpu"]) if "cpu" in ratio else ""
    return f"`{ratio['of']}` / `{ratio['to']}`, {scope}", _spread(ratio["wall"]), cpu


def _spread(ratio: Json) -> str:
    return f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"


def _stages(variants: Json) -> Iterator[str]:
    staged = {name: v["median"]["stages"] for name, v in variants.items() if v["median"]["stages"]}
    names = list(dict.fromkeys(stage for stages in staged.values() for stage in stages))
    names.sort(key=["import", "plan", "data", "video", "stats", "metadata", "verify", "publish"].index)
    rows = ((f"`{tool}`", *(_seconds(stages.get(n)) for n in names)) for tool, stages in staged.items())
    yield from rows_of(("seconds of wall time in", *names), rows)


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _equality(equality: Json) -> str:
    tools = ", ".join(f"`{name}`" for name in equality["facts"])
    if not equality["equal"]:
        return f"OUTPUTS DIFFER between {tools}; see the checksums in the JSON."
    return f"Equal between {tools}: number and order of rows or packets, and checksums of their values."


def rows_of(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = list(head)
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join(["---", *["---:"] * (len(head) - 1)]) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


if __name__ == "__main__":
    sys.stdout.write(markdown(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
