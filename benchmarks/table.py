"""Results as Markdown: every number is read off the JSON."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bars import BARS, Bar

Json = dict[str, Any]
ORDER = ("V5", "S20", "T2k", "I1", "W200", "SP", "Q", "ST", "P1M", "U")


def rows_of(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table, numbers to the right."""
    head = list(head)
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join(["---", *["---:"] * (len(head) - 1)]) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def markdown(written: dict[str, Json], charts: Sequence[str]) -> str:
    """The page of one folder of results: bars, charts, then every workload."""
    ordered = [written[name] for name in ORDER if name in written]
    return "\n".join(_page(written, ordered, charts)) + "\n"


def _page(written: dict[str, Json], ordered: list[Json], charts: Sequence[str]) -> Iterator[str]:
    if not ordered:
        return
    size = ordered[0]["size"]
    yield f"# Benchmarks, {size} size"
    yield ""
    made_by = "make bench-full" if size == "full" else "make bench"
    yield f"`{made_by}` makes all of it; each workload says by which command it was made. Every number is"
    yield "read off the JSON beside this page. Medians of alternating rounds, each run a process of its own,"
    yield "its sources in the page cache. [What is measured and how](../../README.md)."
    yield ""
    if size != "full":
        yield "**The bars are about the full sizes: what is small is start-up more than work.**"
        yield ""
    yield bars_of(written)
    for chart in charts:
        yield ""
        yield f"![{chart.removesuffix('.png')}]({chart})"
    for workload in ordered:
        yield from _workload(workload)


# Bars -----------------------------------------------------------------------------------------


def bars_of(written: dict[str, Json]) -> str:
    """The table of bars: asked for, measured, met or not."""
    rows = [_bar(bar, written.get(bar.workload)) for bar in BARS]
    head = ("workload", "bar", "measured", "met")
    lines = ["| " + " | ".join(head) + " |", "|---|---|---:|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _bar(bar: Bar, results: Json | None) -> tuple[str, str, str, str]:
    value = bar.value(results) if results else None
    if value is None:
        return bar.workload, bar.says, "not measured", ""
    return bar.workload, bar.says, f"{_number(value)} {bar.unit}", "yes" if bar.is_met(value) else "**no**"


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


# Workloads ------------------------------------------------------------------------------------


def _workload(workload: Json) -> Iterator[str]:
    yield ""
    yield f"## {workload['workload']}: {workload['what']}"
    yield ""
    yield from _run(workload)
    for case in workload["cases"]:
        yield from _case(case)


def _run(run: Json) -> Iterator[str]:
    machine, versions = run["machine"], run["versions"]
    yield f"`{run['command']}`, up to {run['rounds']} rounds."
    yield (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']},"
        f" {machine['filesystem']}; load {machine['load_at_start']} at the start,"
        f" {machine['load_at_end']} at the end;"
        f" {', '.join(f'{name} {said}' for name, said in versions.items() if said)}."
    )


def _case(case: Json) -> Iterator[str]:
    sizes, variants = case["sizes"], case["variants"]
    yield ""
    yield f"### {case['case']}"
    yield ""
    yield (
        f"{sizes['sources']:,} {sizes['version']} source{'s' * (sizes['sources'] > 1)},"
        f" {sizes['episodes']:,} episodes, {sizes['rows']:,} frames, {sizes['files']:,} files,"
        f" {sizes['mib']:,.0f} MiB."
    )
    yield ""
    if "run" in case:
        yield "From another run:"
        yield from _run(case["run"])
        yield ""
    ours = next((name for name in variants if name.startswith("lecompose")), None)
    yield from rows_of(
        ("", "wall s", "CPU s", "peak MiB", "output MiB", "rounds", f"`{ours}` / it: wall", "CPU", "memory"),
        (_variant(name, variant, ours, case["ratios"]) for name, variant in variants.items()),
    )
    if stages := list(_stages(variants)):
        yield ""
        yield from stages
    yield ""
    yield from (f"- `{name}`: {v['lacks']}." for name, v in variants.items() if v["lacks"])
    yield from (f"- `{name}`: skipped, {why}." for name, why in case["skipped"].items())
    yield from (f"- `{name}`: **failed**, {_last_line(why)}." for name, why in case["failed"].items())
    yield from _equality(case["equality"])


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][:200].rstrip(".")


def _variant(name: str, variant: Json, ours: str | None, ratios: list[Json]) -> Iterator[str]:
    median, rounds = variant["median"], variant["rounds"]
    yield f"`{name}`"
    yield _seconds(median["wall_s"])
    yield _seconds(median["cpu_s"])
    yield f"{median['rss_mib']:,.0f}"
    yield f"{median['out_mib']:,.0f}" if median["out_mib"] else ""
    yield str(rounds) if rounds else "1, cold"
    found = next((r for r in ratios if (r["of"], r["to"]) == (ours, name)), None)
    yield from (_spread(found[measure]) if found else "" for measure in ("wall", "cpu", "rss"))


def _spread(ratio: Json) -> str:
    middle, low, high = (_number(ratio[name]) for name in ("median", "min", "max"))
    return middle if low == high else f"{middle} ({low} to {high})"


def _stages(variants: Json) -> Iterator[str]:
    staged = {name: v["median"]["stages"] for name, v in variants.items() if v["median"]["stages"]}
    names = list(dict.fromkeys(stage for stages in staged.values() for stage in stages))
    if names:
        rows = (
            (f"`{tool}`", *(_seconds(stages[n]) if n in stages else "" for n in names))
            for tool, stages in staged.items()
        )
        yield from rows_of(("seconds in", *names), rows)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _equality(equality: Json) -> Iterator[str]:
    yield from (f"- **OUTPUTS DIFFER**: {line}." for line in equality["differing"])
    compared = equality["compared"]
    if equality["equal"] and len(compared) > 1:
        facts = dict.fromkeys(fact for held in compared.values() for fact in held)
        tools = ", ".join(f"`{name}`" if name != "sources" else "the sources" for name in compared)
        yield f"- Equal between {tools}, as far as each has it: {', '.join(facts)}."
