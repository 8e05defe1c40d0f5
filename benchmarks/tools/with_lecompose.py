"""lecompose from Python, where its command line has no word for what is measured."""

from pathlib import Path
from typing import Any

from queries import SQL


def plan(sources: list[Path], out: Path, clock: Any) -> dict[str, int]:
    """A merge planned and laid out to the last byte, nothing written: what `--dry-run` does, unprinted.

    Opening every source comes before it: its metadata, where its rows stand, whether it is sound.
    """
    import lecompose.api.operations

    clock.mark("import")
    report = lecompose.merge(sources, out=out / "all", dry_run=True)
    clock.seconds |= report.seconds
    assert report.plan is not None
    return {"episodes": report.plan.num_rows, "frames": report.frames}


def ask(sources: list[Path], out: Path, clock: Any) -> dict[str, list[Any]]:
    """Every query three times on datasets held open: what counts is the last, which is warm."""
    import lecompose

    clock.mark("import")
    with lecompose.open(sources) as datasets:
        clock.mark("open")
        answers = {}
        for name, sql in SQL.items():
            for attempt in ("first", "again", "warm"):
                answers[name] = [list(row.values()) for row in datasets.query(sql).to_pylist()]
                clock.mark(name if attempt == "warm" else f"{name}, {attempt}")
    return answers
