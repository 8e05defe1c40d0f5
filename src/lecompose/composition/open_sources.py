"""The sources of a request, opened: as they are given, or what can be saved of them in their place."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lecompose.dataset.catalog import Catalog, Source, locate, open_catalog
from lecompose.dataset.catalog.data_files import is_empty
from lecompose.dataset.catalog.other_files import describe_other_files, find_other_files
from lecompose.dataset.catalog.time_shifts import find_time_shifts
from lecompose.dataset.user_tables import read_user_tables
from lecompose.engine import Engine, open_engine
from lecompose.errors import ComposeError, SourceBroken, UnsupportedVersion, few, listed
from lecompose.formats import TOLERANCE_S

if TYPE_CHECKING:
    from lecompose.checks import Finding
    from lecompose.checks.repair import Dropped, Repaired
    from lecompose.checks.repair.derived_columns import Derived
    from lecompose.composition.named_sources import NamedSources, PathLike
    from lecompose.composition.settings import Settings

SKIP_BROKEN = "--skip-broken, which takes what can be saved"


@dataclass(frozen=True)
class OpenSources:
    """A request's sources, open. `repaired` says by source name what was saved, where that was asked for.

    `empty` are notes on sources without an episode, which are not among them. `derived` are those whose data
    files lacked columns that rows tell.
    """

    catalog: Catalog
    roots: tuple[Path, ...]
    repaired: Mapping[str, "Repaired"]
    empty: tuple[str, ...] = ()
    derived: tuple["Derived", ...] = ()

    @cached_property
    def broken(self) -> tuple["Finding", ...]:
        """What the sources lack that a composition needs."""
        return find_broken(self.catalog)

    @cached_property
    def _shifts(self) -> Mapping[str, str]:
        """When, in words, the timestamps of sources begin that are late, no frame more than the others."""
        return find_shifts(self.catalog, self.broken, but=frozenset(self.repaired))

    @cached_property
    def off_grid(self) -> frozenset[str]:
        """The sources whose frames are timed again: repaired ones, and those that do not begin at 0."""
        repaired = (name for name, source in self.repaired.items() if source.off_grid)
        return frozenset((*repaired, *self._shifts))

    @property
    def names(self) -> frozenset[str]:
        """The names of all sources."""
        return frozenset(source.name for source in self.catalog.sources)

    @property
    def repaired_roots(self) -> dict[str, Path]:
        """The folders of repaired sources, by name; they are read in another place."""
        return {name: source.source.root for name, source in self.repaired.items()}

    def name_originals(self) -> AbstractContextManager[None]:
        """Let errors name the sources' own files, not those that are read in their place."""
        stand_ins = {source.root: source.source.root for source in self.repaired.values()}
        return _name_originals(stand_ins | {source.root: source.original for source in self.derived})

    @property
    def dropped(self) -> tuple["Dropped", ...]:
        """The episodes that could not be saved."""
        return tuple(dropped for source in self.repaired.values() for dropped in source.dropped)

    def notes(self, *, keep_undeclared: bool = False) -> Iterator[str]:
        """Yield what was put right, which episodes and columns were left out, and which sources are given
        twice."""
        yield from self.empty
        yield from (source.note for source in self.derived)
        for source in self.repaired.values():
            yield from source.notes
            lines = [
                f"episode {d.episode}: {d.reason}{f' ({d.file})' if d.file else ''}" for d in source.dropped
            ]
            if lines:
                count = "1 episode" if len(lines) == 1 else f"{len(lines)} episodes"
                yield listed(f'source "{source.source.name}": {count} could not be saved:', lines)
            if source.undeclared and not keep_undeclared:
                yield (
                    f'source "{source.source.name}": left out, as info.json does not declare them: columns'
                    f" {few(source.undeclared)}. Try: lecompose repair --undeclared declare, which keeps them"
                )
        for opened in self.catalog.sources:
            yield from (f'source "{opened.name}": {note}' for note in opened.notes)
        for root, times in Counter(self.roots).items():
            if times > 1:  # it may be meant, or a slip of the shell
                yield f"this source is given {times} times, and so are its episodes in the output. ({root})"
        for name, shift in self._shifts.items():
            yield f'source "{name}": timestamps begin at {shift}, not at 0; frames are timed from 0 again'
        yield from self._passed_over()

    def _passed_over(self) -> Iterator[str]:
        """Yield a note for each stretch of data that no episode list names, and for each contradiction."""
        from lecompose.checks import describe_doubts, remarks

        yield from (f'source "{v.src_dataset}": left out: {v}' for v in remarks(self.catalog))
        yield from describe_doubts(self.catalog, but=frozenset(self.repaired))

    def other_files(self) -> str | None:
        """Return a note on what lies beside the sources and is in no output; None if there is nothing."""
        sources = [
            self.repaired[s.name].source if s.name in self.repaired else s for s in self.catalog.sources
        ]
        named = [replace(was, name=s.name) for was, s in zip(sources, self.catalog.sources, strict=True)]
        return describe_other_files((source, find_other_files(source)) for source in named)

    def adapt(self, settings: "Settings") -> "Settings":
        """Return the settings as repaired sources need them.

        What is to be removed may be gone already, columns that no info.json declared go unless they are
        kept, and statistics of pictures are computed where some were lost.
        """
        if not self.repaired:
            return settings
        sources = self.catalog.sources
        names = {n for s in sources for n in (*(f.name for f in s.features), *s.unusable)}
        there = [k for k in settings.changes.remove if k in names or k.partition(":")[2] in names]
        # What repair left out is in the data files that are read, and the notes say so.
        there += [f"{s.name}:{name}" for s in sources if s.name in self.repaired for name in s.unusable]
        if not settings.keep_undeclared:
            there += [f"{name}:{column}" for name, m in self.repaired.items() for column in m.undeclared]
        lost = not all(source.has_stats for source in self.repaired.values())
        pictures = settings.statistics.pictures or lost
        return replace(
            settings,
            changes=replace(settings.changes, remove=tuple(there)),
            statistics=replace(settings.statistics, pictures=pictures),
        )


def open_sources(
    engine: Engine,
    given: "NamedSources",
    settings: "Settings",
    *,
    stand_in: Callable[[Path], Path] | None = None,
    scratch: Path,
) -> OpenSources:
    """Open sources; what can be saved of damaged ones is read in their place where that is asked for.

    `stand_in` makes, in a scratch folder, the dataset that is read in the place of the one given.

    Raises:
        SourceError: for sources that cannot be opened, or of which nothing can be saved.
    """
    given, empty = leave_out_empty(given)
    repaired: list[Repaired] = []
    stand_ins: list[Path] = []
    if settings.skip_broken:
        removed = settings.changes.remove
        without = frozenset(name for key in removed for name in (key, key.partition(":")[2]))
        threads, memory = settings.threads, settings.memory
        repaired = _repair(given.paths, scratch=scratch, without=without, threads=threads, memory=memory)
        stand_ins = [source.root for source in repaired]
    if stand_in is not None:
        stand_ins = [stand_in(scratch)]
    derived: tuple[Derived, ...] = ()
    if stand_ins:
        catalog = open_catalog(engine, stand_ins, names=given.names, given=given.paths)
    else:
        catalog, derived = open_complete(engine, given.paths, names=given.names, scratch=scratch)
    by_name = {s.name: m for s, m in zip(catalog.sources, repaired, strict=True)} if repaired else {}
    # What is read in the place of a source is not where the source lies.
    roots = map(locate, given.paths) if stand_ins or derived else (source.root for source in catalog.sources)
    left_out = {name: frozenset(d.episode for d in source.dropped) for name, source in by_name.items()}
    tables = read_user_tables(settings.tables, engine, scratch)
    return OpenSources(
        replace(catalog, left_out=left_out, tables=tables), tuple(roots), by_name, empty, derived
    )


def open_complete(
    engine: Engine, paths: Sequence[Path | str], *, names: Sequence[str] | None, scratch: Path
) -> tuple[Catalog, tuple["Derived", ...]]:
    """Return the catalog of datasets, and those read in `scratch`, with columns that only their rows tell.

    Raises:
        SourceError: for sources that cannot be opened.
    """
    try:
        return open_catalog(engine, paths, names=names), ()
    except SourceBroken:
        derived = _derive_lacking(paths, scratch)
        if not any(derived):
            raise
    engine.drop_all()
    roots = [path if made is None else made.root for path, made in zip(paths, derived, strict=True)]
    found = tuple(made for made in derived if made is not None)
    with _name_originals({made.root: made.original for made in found}):
        return open_catalog(engine, roots, names=names, given=paths), found


def _derive_lacking(paths: Sequence[Path | str], scratch: Path) -> list["Derived | None"]:
    """Return each dataset that lacks such columns; None for one that does not, or that cannot be read."""
    from lecompose.checks.repair.derived_columns import derive_lacking  # slow to load, and few runs need it

    derived: list[Derived | None] = []
    for n, path in enumerate(paths):
        made = None
        with suppress(ComposeError):  # whoever opened it has said what is wrong
            made = derive_lacking(path, scratch / f"derived-{n}")
        derived.append(made)
    return derived


@contextmanager
def _name_originals(roots: Mapping[Path, Path]) -> Iterator[None]:
    """Let errors name the files of the sources, not those read in their place; `roots` has the first by the
    second."""
    try:
        yield
    except ComposeError as error:
        for root, original in roots.items():
            before, found, inside = str(error.path or "").partition(str(root))
            if found:
                file = root / inside.lstrip("/")
                was = file.readlink() if file.is_symlink() else original / inside.lstrip("/")
                error.path = f"{before}{was}"
                break
        raise


def leave_out_empty(given: "NamedSources") -> tuple["NamedSources", tuple[str, ...]]:
    """Return the sources that have an episode, and notes on the others.

    Raises:
        SourceBroken: where there are several, and none has any.
    """
    if len(given.paths) == 1:
        return given, ()
    is_kept = [not is_empty(path) for path in given.paths]
    if all(is_kept):
        return given, ()
    if not any(is_kept):
        raise SourceBroken(
            "no source has an episode", hint="record one, or name other datasets", parts=given.paths
        )
    names = None if given.names is None else tuple(compress(given.names, is_kept))
    kept = replace(
        given,
        paths=tuple(compress(given.paths, is_kept)),
        names=names,
        episodes=tuple(compress(given.episodes, is_kept)),
    )
    gone = compress(given.paths, (not kept for kept in is_kept))
    return kept, tuple(f"a source has no episode, and gives nothing. ({path})" for path in gone)


def _repair(
    paths: Sequence[Path | str],
    *,
    scratch: Path,
    without: frozenset[str] = frozenset(),
    threads: int | None,
    memory: str | None,
) -> list["Repaired"]:
    from lecompose.checks.repair import repair_dataset  # slow to load, and few runs need it

    return [
        repair_dataset(path, scratch=scratch / f"mended-{n}", without=without, threads=threads, memory=memory)
        for n, path in enumerate(paths)
    ]


def find_broken(catalog: Catalog) -> tuple["Finding", ...]:
    """Return what sources lack that a composition needs."""
    from lecompose.checks import requirements

    return tuple(requirements(catalog))


def choose_broken(catalog: Catalog, broken: Sequence["Finding"]) -> tuple[list["Finding"], list["Finding"]]:
    """Return what is broken of the episodes that are planned, or of their source, and what of the others."""
    if not broken:
        return [], []
    planned = catalog.engine.read("plan", ["src_dataset", "src_episode"])
    taken = set(zip(*(column.to_pylist() for column in planned.columns), strict=True))
    is_taken = [v.episode is None or (v.src_dataset, v.episode) in taken for v in broken]
    parts: tuple[list[Finding], list[Finding]] = [], []
    for finding, here in zip(broken, is_taken, strict=True):
        parts[not here].append(finding)
    return parts


def refuse_broken(
    catalog: Catalog, broken: Iterable["Finding"], *, retimed: frozenset[str] = frozenset()
) -> None:
    """Refuse sources that lack what a composition needs.

    Raises:
        SourceBroken: with everything they lack. The timestamps of those that are `retimed` do not matter.
    """
    broken = [v for v in broken if v.code != "frame_times" or v.src_dataset not in retimed]
    if broken:
        lines = [f'source "{v.src_dataset}": {v}' for v in broken]
        hint = _true_rate(catalog, broken)
        raise SourceBroken("the sources lack what a composition needs", hint=hint, parts=lines)


def find_shifts(
    catalog: Catalog, broken: Iterable["Finding"], *, but: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return when, in words, the timestamps of sources begin that are late, no frame more than the others."""
    late = {finding.src_dataset for finding in broken if finding.code == "frame_times"} - but
    found = {s.name: _shift(catalog, s) for s in catalog.sources if s.name in late}
    return {name: shift for name, shift in found.items() if shift is not None}


def _shift(catalog: Catalog, source: Source) -> str | None:
    """Return when the timestamps of a source begin; None where some frames are later than others."""
    shifts = find_time_shifts(catalog.engine, catalog.data_files(source), source.fps)
    if not shifts or not all(shift.is_even for shift in shifts):
        return None
    least, most = (pick(s.shift_s for s in shifts if s.shift_s is not None) for pick in (min, max))
    return f"{least:g} s" if most - least < TOLERANCE_S else f"{least:g} to {most:g} s"


def _true_rate(catalog: Catalog, broken: Sequence["Finding"]) -> str | None:
    """Return the next step where the times of most episodes of a source are wrong: its fps may be."""
    late = Counter(finding.src_dataset for finding in broken if finding.code == "frame_times")
    for source in catalog.sources:
        if 2 * late[source.name] > len(catalog.lengths(source)) > 1:
            file = shlex.quote(str(source.root / "meta/info.json"))
            return f"the true fps in {file}; if {float(source.fps):g} is true, {SKIP_BROKEN}"
    return None


@contextmanager
def open_one(
    source: "PathLike", threads: int | None, memory: str | None, *, complete: bool = False
) -> Iterator[tuple[Catalog, Path]]:
    """Open one dataset; give its catalog and a scratch folder of its own.

    Made `complete`, it has the columns that only the order of its rows tells.

    Raises:
        SourceError: for one that cannot be opened.
    """
    with (
        TemporaryDirectory(prefix="lecompose-") as folder,
        start_engine(Path(folder), threads, memory) as engine,
        suggest_way_out(repair_command(source)),
    ):
        if complete:
            yield open_complete(engine, [source], names=None, scratch=Path(folder))[0], Path(folder)
        else:
            yield open_catalog(engine, [source]), Path(folder)


def open_rest(
    engine: Engine,
    paths: Sequence[Path | str],
    *,
    names: Sequence[str] | None = None,
    scratch: Path,
    threads: int | None,
    memory: str | None,
) -> OpenSources:
    """Open what can be read of datasets that may be damaged; whoever asks is told what cannot.

    Raises:
        SourceError: for one of which nothing can be read.
    """
    repaired = _repair(paths, scratch=scratch, threads=threads, memory=memory)
    catalog = open_catalog(engine, [source.root for source in repaired], names=names, given=paths)
    by_name = {s.name: source for s, source in zip(catalog.sources, repaired, strict=True)}
    return OpenSources(catalog, tuple(source.source.root for source in repaired), by_name)


def repair_command(source: "PathLike") -> str:
    """Return the command that saves what can be read of a damaged dataset."""
    return f"lecompose repair {shlex.quote(str(source))} -o OUT, which saves what can be read"


@contextmanager
def suggest_way_out(hint: str | None) -> Iterator[None]:
    """Let the errors of damaged sources that name no next step name this one."""
    try:
        yield
    except (SourceBroken, UnsupportedVersion) as error:
        if hint is not None:
            error.suggest(hint)
        raise


def start_engine(scratch: Path, threads: int | None, memory: str | None) -> closing[Engine]:
    """Return an engine that `with` closes."""
    return closing(open_engine(scratch=scratch, threads=threads, memory=memory))
