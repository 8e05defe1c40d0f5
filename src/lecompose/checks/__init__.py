"""Holds datasets against every promise of their format, however broken they are.

A promise is one file of `sql/verify/`: its rows are findings. What the catalog does not already know is
loaded by `facts`; what cannot be read at all is noted by `reading`. `codes` is the table of all that may be
found. Nothing is written, and pictures are decoded on request only.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lecompose.checks.codes import (
    CODES,
    PASSED_ON,
    PROMISES,
    REMARKS,
    REQUIREMENTS,
    Code,
    Severity,
)
from lecompose.checks.facts import load_facts
from lecompose.checks.faults import Reading
from lecompose.checks.null_counts import load_counts
from lecompose.checks.pictures import note_undecodable
from lecompose.checks.tolerant_open import opened
from lecompose.dataset.catalog import Catalog
from lecompose.engine import Engine

__all__ = [
    "CODES",
    "PASSED_ON",
    "PROMISES",
    "REQUIREMENTS",
    "Code",
    "Finding",
    "Severity",
    "examine",
    "findings",
    "remarks",
    "requirements",
]


@dataclass(frozen=True)
class Finding:
    """One way in which a dataset is not as it should be; `file` is relative to the dataset's folder."""

    code: str
    severity: Severity
    file: str | None
    episode: int | None
    feature: str | None
    problem: str
    remedy: str
    src_dataset: str

    def __str__(self) -> str:
        where = [
            None if self.feature is None else f'feature "{self.feature}"',
            None if self.episode is None else f"episode {self.episode}",
        ]
        place = ", ".join(part for part in where if part)
        end = "" if self.file is None else f" ({self.file})"
        return f"{self.code}: {place + ': ' if place else ''}{self.problem}{end}"


def examine(engine: Engine, given: str | Path, *, scratch: Path, decode: bool = False) -> list[Finding]:
    """Everything that is wrong with the dataset, in the order in which a reader would trip over it.

    What cannot be read is a finding, and the rest is still looked at. `decode` decodes every picture.
    Errors: SourceNotFound for what is no dataset at all.
    """
    catalog, reading, footers = opened(engine, given)
    readings = {reading.root.name: reading}
    if catalog.sources:
        load_facts(catalog, readings, footers, scratch=scratch)
        load_counts(catalog)
        found = _kept(catalog, _held(catalog, skipped=("row_groups",)), readings)
    else:
        found = []
    if decode:
        note_undecodable(catalog, reading)
    order = {name: n for n, name in enumerate(CODES)}
    faults = sorted(reading.faults, key=lambda fault: fault.file or "")
    noted = [_finding(src_dataset=reading.root.name, **vars(fault)) for fault in faults]
    return sorted([*noted, *found], key=lambda finding: order[finding.code])


def findings(
    catalog: Catalog, *, row_groups: str | None = None, scratch: Path | None = None
) -> list[Finding]:
    """Every promise that open datasets break, promise by promise.

    `row_groups="episode"` also wants each row group to be one episode. Videos that cannot be described
    where they lie are remuxed into `scratch`; without it they count as unreadable.
    """
    readings = {source.name: Reading(source.root) for source in catalog.sources}
    load_facts(catalog, readings, None, scratch=scratch)
    load_counts(catalog)
    skipped = () if row_groups == "episode" else ("row_groups",)
    noted = [_finding(**row) for row in catalog.engine.rows("verify/faults")]
    return noted + _kept(catalog, _held(catalog, skipped=skipped), readings)


def requirements(catalog: Catalog) -> list[Finding]:
    """What keeps the episodes of open sources from being composed faithfully; videos aside."""
    return _broken(catalog, [CODES[name] for name in REQUIREMENTS])


def remarks(catalog: Catalog) -> list[Finding]:
    """What a source holds that no composition can carry: rows of episodes that its list lacks."""
    return _broken(catalog, [CODES[name] for name in REMARKS])


def _held(catalog: Catalog, *, skipped: Collection[str]) -> list[Code]:
    """The promises that can be broken; without cameras none of those about videos."""
    has_cameras = any(source.cameras for source in catalog.sources)
    asked = [code for code in PROMISES if has_cameras or not code.name.startswith("video_")]
    return [code for code in asked if code.name not in skipped]


def _kept(catalog: Catalog, codes: Iterable[Code], readings: Mapping[str, Reading]) -> list[Finding]:
    """The promises broken, but for what only follows from a part that could not be read."""
    lacking = {relation for reading in readings.values() for relation in reading.lacking}
    judged = [code for code in codes if lacking.isdisjoint(code.whole)]
    return [f for f in _broken(catalog, judged) if not _follows(f, readings[f.src_dataset])]


def _follows(finding: Finding, reading: Reading) -> bool:
    """Whether a finding says no more than what was told when files were read."""
    no_rows = finding.code == "episode_rows" and finding.file is None
    return (no_rows and "placement" in reading.lacking) or finding.feature in reading.left_out


def _broken(catalog: Catalog, codes: Iterable[Code]) -> list[Finding]:
    """The promises broken, in their order; several are asked at a time, for most leave a processor idle."""

    def ask(code: Code) -> list[Finding]:
        rows = catalog.engine.rows(f"verify/{code.name}", **code.values)
        return [_finding(code=code.name, **row) for row in rows]

    found = catalog.engine.workers().each(list(codes), ask)
    return [finding for of_code in found for finding in of_code]


def _finding(*, code: str, **place: Any) -> Finding:
    return Finding(code=code, severity=CODES[code].severity, remedy=CODES[code].remedy, **place)
