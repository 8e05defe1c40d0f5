"""The sources of a request, opened: as they are given, or what can be saved of them in their place."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lecompose.dataset.catalog import Catalog, locate, open_catalog
from lecompose.engine import Engine, open_engine
from lecompose.errors import SourceBroken, listed

if TYPE_CHECKING:
    from lecompose.checks.repair import Dropped, Repaired
    from lecompose.composition.named_sources import NamedSources, PathLike
    from lecompose.composition.settings import Settings


@dataclass(frozen=True)
class OpenSources:
    """A request's sources, open. `repaired` says by source name what was saved, where that was asked for."""

    catalog: Catalog
    roots: tuple[Path, ...]
    repaired: Mapping[str, "Repaired"]

    @cached_property
    def off_grid(self) -> frozenset[str]:
        """The repaired sources whose timestamps are not those of their frames."""
        return frozenset(name for name, source in self.repaired.items() if source.off_grid)

    @property
    def dropped(self) -> tuple["Dropped", ...]:
        """The episodes that could not be saved."""
        return tuple(dropped for source in self.repaired.values() for dropped in source.dropped)

    def notes(self) -> Iterator[str]:
        """Yield what was put right, which episodes were left out, and which sources are given twice."""
        for source in self.repaired.values():
            yield from source.notes
            lines = [
                f"episode {d.episode}: {d.reason}{f' ({d.file})' if d.file else ''}" for d in source.dropped
            ]
            if lines:
                count = "1 episode" if len(lines) == 1 else f"{len(lines)} episodes"
                yield listed(f'source "{source.source.name}": {count} could not be saved:', lines)
        for root, times in Counter(s.root for s in self.catalog.sources).items():
            if times > 1:  # it may be meant, or a slip of the shell
                yield f"this source is given {times} times, and so are its episodes in the output. ({root})"
        yield from self._unlisted_rows()

    def _unlisted_rows(self) -> Iterator[str]:
        """Yield a note for each stretch of data that no episode list names, and that stays behind."""
        from lecompose.checks import remarks

        yield from (f'source "{v.src_dataset}": left out: {v}' for v in remarks(self.catalog))

    def adapt(self, settings: "Settings") -> "Settings":
        """Return the settings as repaired sources need them.

        What is to be removed may be gone already, columns that no info.json declared go unless they are
        kept, and statistics of pictures are computed where some were lost.
        """
        if not self.repaired:
            return settings
        names = {f.name for source in self.catalog.sources for f in source.features}
        there = [k for k in settings.changes.remove if k in names or k.partition(":")[2] in names]
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
    repaired: list[Repaired] = []
    stand_ins: list[Path] = []
    if settings.skip_broken:
        repaired = _repair(given, settings, scratch)
        stand_ins = [source.root for source in repaired]
    if stand_in is not None:
        stand_ins = [stand_in(scratch)]
    catalog = open_catalog(engine, stand_ins or given.paths, names=given.names, given=given.paths)
    by_name = {s.name: m for s, m in zip(catalog.sources, repaired, strict=True)} if repaired else {}
    # What is read in the place of a source is not where the source lies.
    roots = map(locate, given.paths) if stand_ins else (source.root for source in catalog.sources)
    return OpenSources(catalog, tuple(roots), by_name)


def _repair(given: "NamedSources", settings: "Settings", scratch: Path) -> list["Repaired"]:
    from lecompose.checks.repair import repair_dataset

    without = frozenset(name for key in settings.changes.remove for name in (key, key.partition(":")[2]))
    return [
        repair_dataset(
            path,
            scratch=scratch / f"mended-{n}",
            without=without,
            threads=settings.threads,
            memory=settings.memory,
        )
        for n, path in enumerate(given.paths)
    ]


def refuse_broken(catalog: Catalog, *, retimed: frozenset[str] = frozenset()) -> None:
    """Refuse sources that lack what a composition needs.

    Raises:
        SourceBroken: with everything they lack. The timestamps of those that are `retimed` do not matter.
    """
    from lecompose.checks import requirements

    broken = [v for v in requirements(catalog) if v.code != "frame_times" or v.src_dataset not in retimed]
    if broken:
        lines = [f'source "{v.src_dataset}": {v}' for v in broken]
        raise SourceBroken(
            "the sources lack what a composition needs",
            hint="--skip-broken, which takes what can be saved",
            parts=lines,
        )


@contextmanager
def open_one(source: "PathLike", threads: int | None, memory: str | None) -> Iterator[tuple[Catalog, Path]]:
    """Open one dataset; give its catalog and a scratch folder of its own."""
    with (
        TemporaryDirectory(prefix="lecompose-") as folder,
        start_engine(Path(folder), threads, memory) as engine,
    ):
        yield open_catalog(engine, [source]), Path(folder)


def start_engine(scratch: Path, threads: int | None, memory: str | None) -> closing[Engine]:
    """Return an engine that `with` closes."""
    return closing(open_engine(scratch=scratch, threads=threads, memory=memory))
