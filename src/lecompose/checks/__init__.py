"""Holds datasets against every promise of their format, however broken they are.

A promise is one file of `sql/verify/`: its rows are findings. What the catalog does not already know is
loaded by `facts`; what cannot be read at all is a fault (`faults`). `codes` is the table of all that may be
found. Nothing is written, and pictures are decoded on request only.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lecompose.checks.codes import CODES, PROMISES, Code, Severity
from lecompose.checks.composition_roles import DOUBTS, PASSED_ON, REMARKS, REQUIREMENTS
from lecompose.checks.facts import load_facts
from lecompose.checks.faults import NO_DAMAGE, Damage, Fault, as_damage, in_dataset, problem_in, try_to
from lecompose.checks.footers import Footers
from lecompose.checks.null_counts import load_counts
from lecompose.checks.pictures import find_undecodable
from lecompose.checks.tolerant_open import open_tolerantly
from lecompose.checks.vector_lengths import find_odd_vectors
from lecompose.dataset.arrow_schema import holds_language
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.hub_cache import name_dataset
from lecompose.dataset.catalog.other_files import describe_other_files, find_other_files
from lecompose.dataset.catalog.spec_notes import SpecNote
from lecompose.dataset.loose_pictures import find_loose_pictures
from lecompose.dataset.moved_pointers import find_exchanged_files
from lecompose.dataset.picture_sizes import find_odd_sizes
from lecompose.engine import Engine
from lecompose.files.clutter import is_clutter
from lecompose.files.text_files import read_encoding

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


_MOST_SHOWN = 400


@dataclass(frozen=True)
class _Misnumbered:
    """The data files of a source of v2.x whose names and rows have other numbers."""

    src_dataset: str
    files: int
    data_file: str


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


@dataclass(frozen=True)
class _Violation:
    """Where a promise is broken, and how."""

    src_dataset: str
    file: str | None
    episode: int | None
    feature: str | None
    problem: str


def examine(engine: Engine, given: str | Path, *, scratch: Path, decode: bool = False) -> list[Finding]:
    """Return everything that is wrong with the dataset, in the order in which a reader would trip over it.

    What cannot be read is a finding, and the rest is still looked at. `decode` decodes every picture.

    Raises:
        SourceNotFound: if there is no dataset at all.
    """
    opened = open_tolerantly(engine, given)
    name, catalog = name_dataset(opened.root), opened.catalog
    damage, broken = opened.damage, []
    if catalog.sources:
        damage = load_facts(catalog, {name: damage}, opened.footers, scratch=scratch)[name]
        load_counts(catalog)
        broken = _broken_promises(catalog, {name: damage}, skipped=("row_groups",))
        damage |= _find_other_files(catalog.sources[0]) | _find_other_encodings(opened.root)
        damage |= find_odd_vectors(catalog.sources[0], opened.footers)
        damage |= _find_odd_language(catalog.sources[0], opened.footers)
        damage |= _find_odd_sizes(catalog, every=decode) | _find_empty(catalog)
        damage |= NO_DAMAGE if "clips" in damage.lacking else _find_exchanged(catalog)
    if decode:
        damage |= find_undecodable(catalog)
    unread = sorted(_unread(name, opened.root, damage), key=lambda finding: finding.file or "")
    order = {code: n for n, code in enumerate(CODES)}
    return sorted([*unread, *broken], key=lambda finding: order[finding.code])


def findings(
    catalog: Catalog, *, row_groups: str | None = None, scratch: Path | None = None
) -> list[Finding]:
    """Return every promise that open datasets break, promise by promise.

    `row_groups="episode"` also wants each row group to be one episode. Videos that cannot be described
    where they lie are remuxed into `scratch`; without it they count as unreadable.
    """
    sound = {source.name: NO_DAMAGE for source in catalog.sources}
    damages = load_facts(catalog, sound, None, scratch=scratch)
    load_counts(catalog)
    skipped = () if row_groups == "episode" else ("row_groups",)
    sources = sorted(catalog.sources, key=lambda source: source.name)
    unread = [f for source in sources for f in _unread(source.name, source.root, damages[source.name])]
    told = [_finding_of_note(source, note) for source in sources for note in (*source.notes, *_lost(source))]
    return unread + told + _broken_promises(catalog, damages, skipped=skipped)


def _lost(source: Source) -> Iterator[SpecNote]:
    """Yield the declared features that nobody can read; `columns` tells of those that are not declared."""
    for name, why in source.unusable.items():
        if name in source.info["features"]:
            yield SpecNote("feature_specs", name, why)


def _finding_of_note(source: Source, note: SpecNote) -> Finding:
    return _finding(
        note.code,
        src_dataset=source.name,
        file="meta/info.json",
        episode=None,
        feature=note.feature,
        problem=note.problem,
    )


def requirements(catalog: Catalog) -> list[Finding]:
    """Return what keeps the episodes of open sources from being composed faithfully; videos aside."""
    return _ask(catalog, [CODES[name] for name in REQUIREMENTS])


def remarks(catalog: Catalog) -> list[Finding]:
    """Return what a source holds that no composition can carry: rows of episodes that its list lacks."""
    return _ask(catalog, [CODES[name] for name in REMARKS])


def describe_doubts(
    catalog: Catalog, *, but: Collection[str] = (), decided: Collection[str] = ()
) -> Iterator[str]:
    """Yield where sources contradict themselves, and which side is taken: once a source and kind.

    Sources in `but` are left out: they were repaired, and what was wrong with them is told. So are the codes
    that are `decided` otherwise.
    """
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in _ask(catalog, [CODES[name] for name in DOUBTS if name not in decided]):
        if finding.src_dataset not in but:
            found.setdefault((finding.src_dataset, finding.code), []).append(finding)
    for (source, code), alike in found.items():
        more = f"; and {len(alike) - 1:,} more, see check" if len(alike) > 1 else ""
        yield f'source "{source}": {DOUBTS[code]}: {_shorten(str(alike[0]))}{more}'
    if all(source.is_v3 for source in catalog.sources):
        return  # no file is named by an episode there
    for row in catalog.engine.records("catalog/misnumbered_files", _Misnumbered):
        if row.src_dataset not in but:
            yield (
                f'source "{row.src_dataset}": the names of {row.files:,} data files have the number of other'
                f" episodes than their rows, first {row.data_file}; the rows count, as they do in LeRobot"
            )


def _shorten(text: str) -> str:
    """Return a text as a note can hold it: tasks may have megabytes."""
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


def _find_other_files(source: Source) -> Damage:
    """Return a fault for what lies in the dataset's folder and is no part of it."""
    others = find_other_files(source)
    note = describe_other_files([(source, others)])
    faults = [] if note is None else [Fault("other_files", source.root / others.names[0], note)]
    for pattern in ("data/*/*.parquet", "meta/episodes/*/*.parquet") if source.is_v3 else ():
        for path in sorted(source.root.glob(pattern)):
            if is_clutter(path.name):
                problem = "a system or an editor left it; LeRobot reads each parquet file there, and fails"
                faults.append(Fault("other_files", path, problem))
    return as_damage(*faults)


def _find_odd_sizes(catalog: Catalog, *, every: bool) -> Damage:
    """Return a fault for each episode with pictures in data files that are of another size than the first."""
    odd = find_odd_sizes(catalog, every=every)
    faults = (Fault("pictures_alike", Path(o.data_file), o.problem, o.src_episode, o.feature) for o in odd)
    return as_damage(*faults)


def _find_empty(catalog: Catalog) -> Damage:
    """Return a fault for each episode with pictures that are null."""
    loose = (each for each in find_loose_pictures(catalog).episodes if each.empty)
    faults = (Fault("pictures_empty", None, e.emptiness, e.src_episode, e.feature) for e in loose)
    return as_damage(*faults)


def _find_odd_language(source: Source, footers: Footers) -> Damage:
    """Return a fault for each language feature whose column holds something else; its first such file."""
    faults = []
    for name in [feature.name for feature in source.columns if feature.is_language]:
        for path, footer in sorted(footers.items()):
            kinds = {field.name: field.type for field in footer.schema.to_arrow_schema()}
            if name in kinds and not holds_language(name, kinds[name]):
                problem = f"declared as language, which LeRobot cannot read from a column of {kinds[name]}"
                faults.append(Fault("columns", path, problem, feature=name))
                break
    return as_damage(*faults)


def _find_exchanged(catalog: Catalog) -> Damage:
    """Return a fault for each video file that seems to have the pictures of another one's episodes."""
    files = find_exchanged_files(catalog)
    faults = (Fault("video_exchanged", Path(f.path), f.problem, f.first_episode, f.camera) for f in files)
    return as_damage(*faults)


def _find_other_encodings(root: Path) -> Damage:
    """Return a fault for each JSON file in another encoding than readers expect."""
    faults = []
    for path in sorted((root / "meta").glob("*.json*")):
        if path.is_file() and not is_clutter(path.name):
            encoding, _ = try_to(partial(read_encoding, path), otherwise="utf-8", code="", path=path)
            if encoding != "utf-8":
                name = "UTF-8 with a byte order mark" if encoding == "utf-8-sig" else encoding.upper()
                faults.append(Fault("text_encoding", path, f"it is {name}"))
    return as_damage(*faults)


def _unread(name: str, root: Path, damage: Damage) -> list[Finding]:
    """Return the faults of a source as findings."""
    return [
        _finding(
            fault.code,
            src_dataset=name,
            file=in_dataset(fault.path, root),
            episode=fault.episode,
            feature=fault.feature,
            problem=problem_in(fault, root),
        )
        for fault in damage.faults
    ]


def _broken_promises(
    catalog: Catalog, damages: Mapping[str, Damage], *, skipped: Collection[str]
) -> list[Finding]:
    """Return the promises broken, but for what only follows from a part that could not be read."""
    lacking = {relation for damage in damages.values() for relation in damage.lacking}
    has_cameras = any(source.cameras for source in catalog.sources)
    codes = [
        code
        for code in PROMISES
        if code.name not in skipped
        and (has_cameras or not code.name.startswith("video_"))
        and lacking.isdisjoint(code.whole)
    ]
    return [f for f in _ask(catalog, codes) if not _only_follows(f, damages[f.src_dataset])]


def _only_follows(finding: Finding, damage: Damage) -> bool:
    """Return whether a finding says no more than the damage does."""
    no_rows = finding.code == "episode_rows" and finding.file is None
    return (no_rows and "placement" in damage.lacking) or finding.feature in damage.left_out


def _ask(catalog: Catalog, codes: Sequence[Code]) -> list[Finding]:
    """Return the promises broken, in their order; several are asked at a time, for most leave a core idle."""

    def ask(code: Code) -> list[Finding]:
        broken = catalog.engine.records(f"verify/{code.template}", _Violation, **code.values)
        return [_finding(code.name, **vars(violation)) for violation in broken]

    found = catalog.engine.workers().each(codes, ask, threads=1 if catalog.is_small else None)
    return [finding for of_code in found for finding in of_code]


def _finding(code: str, **place: Any) -> Finding:
    return Finding(code=code, severity=CODES[code].severity, remedy=CODES[code].remedy, **place)
