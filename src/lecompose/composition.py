"""Carries one request out: open the sources, agree on a target, plan, lay out, execute."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from lecompose import plan
from lecompose.added import Added, add
from lecompose.catalog import Catalog, open_catalog
from lecompose.checks import remarks, requirements
from lecompose.destination import Destinations, refuse_taken, workspace
from lecompose.engine import Engine
from lecompose.errors import SourceBroken, listed
from lecompose.execute import execute
from lecompose.layout import lay_out
from lecompose.report import Report, preview
from lecompose.request import Named, PathLike, Settings
from lecompose.statistics import Wanted
from lecompose.target import Target, agree
from lecompose.views import open_views

Fill = Callable[[Catalog], tuple[plan.Notes, Destinations]]
"""Makes the plan of what a catalog holds, and says where its outputs go."""


@dataclass(frozen=True)
class Request:
    """One composition: sources, plan, destination, settings, and the command as text.

    `to` is what is known of the destination before there is a plan. `statistics` are wanted in place of the
    settings' own, and with `retime` every frame is counted at that rate.
    """

    given: Named
    to: Destinations
    fill: Fill
    settings: Settings
    text: str
    statistics: Wanted | None = None
    retime: Fraction | None = None


def composed(request: Request) -> Report:
    """The report of a request carried out, or of what it would do.

    Errors: those of the sources, the plan, the layout and the stages; every destination is as it was then.
    """
    start = time.perf_counter()
    settings, to = request.settings, request.to
    overwrite = settings.overwrite
    refuse_taken(to, overwrite=overwrite, roots=[])
    with (
        _scratch(to.root, dry_run=settings.dry_run) as scratch,
        engine_in(scratch, settings.threads, settings.memory) as engine,
    ):
        catalog = open_catalog(engine, request.given.paths, names=request.given.names)
        roots = [s.root for s in catalog.sources]
        refuse_taken(to, overwrite=overwrite, roots=roots)
        added = _added(catalog, settings, scratch)
        target = _target(catalog, request, added)
        refuse_broken(catalog)
        notes, to = request.fill(catalog)
        refuse_taken(to, overwrite=overwrite, roots=roots)
        layout = lay_out(
            catalog,
            target,
            scratch=scratch,
            notes=(*_repeated(catalog), *_unlisted(catalog), *notes),
            reencode=settings.reencode,
            added=added,
        )
        if settings.dry_run:
            return preview(layout, to)
        return execute(
            layout,
            to,
            command=request.text,
            staging=scratch,
            overwrite=overwrite,
            progress=settings.told,
            planned_s=time.perf_counter() - start,
        )


def _target(catalog: Catalog, request: Request, added: tuple[Added, ...]) -> Target:
    settings = request.settings
    target = agree(
        catalog,
        robot_type=settings.robot_type,
        limits=settings.limits,
        row_groups=settings.row_groups,
        changes=replace(settings.changes, add=tuple(column.feature for column in added)),
        fps=settings.rate,
        retime=request.retime,
    )
    wanted = request.statistics or settings.statistics
    # What sources say of their pictures is said of all their frames.
    return replace(target, statistics=replace(wanted, pictures=wanted.pictures or bool(target.pace.thinned)))


def _added(catalog: Catalog, settings: Settings, scratch: Path) -> tuple[Added, ...]:
    if not settings.wishes:
        return ()
    refuse_broken(catalog)  # else the frames to compute from may be none
    with open_views(catalog) as views:
        return tuple(add(views, wish, scratch / f"added-{n}.arrow") for n, wish in enumerate(settings.wishes))


@contextmanager
def opened(source: PathLike, threads: int | None, memory: str | None) -> Iterator[tuple[Catalog, Path]]:
    """The catalog of one dataset, and a scratch folder of its own."""
    with (
        TemporaryDirectory(prefix="lecompose-") as folder,
        engine_in(Path(folder), threads, memory) as engine,
    ):
        yield open_catalog(engine, [source]), Path(folder)


@contextmanager
def engine_in(scratch: Path, threads: int | None, memory: str | None) -> Iterator[Engine]:
    """An engine, closed afterwards."""
    engine = Engine(scratch=scratch, threads=threads, memory=memory)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def _scratch(destination: Path, *, dry_run: bool) -> Iterator[Path]:
    if dry_run:
        with TemporaryDirectory(prefix="lecompose-") as folder:
            yield Path(folder)
    else:
        with workspace(destination) as folder:
            yield folder


def _repeated(catalog: Catalog) -> Iterator[str]:
    """A note for each source that is given more than once: it may be meant, or a slip of the shell."""
    for root, times in Counter(s.root for s in catalog.sources).items():
        if times > 1:
            yield f"this source is given {times} times, and so are its episodes in the output. ({root})"


def _unlisted(catalog: Catalog) -> tuple[str, ...]:
    """A note for each stretch of data that no episode list names, and that therefore stays behind."""
    return tuple(f'source "{v.src_dataset}": left out: {v}' for v in remarks(catalog))


def refuse_broken(catalog: Catalog) -> None:
    """Errors: SourceBroken for sources that do not keep what a composition needs."""
    broken = requirements(catalog)
    if broken:
        lines = [f'source "{v.src_dataset}": {v}' for v in broken]
        raise SourceBroken(listed("sources that do not keep what a composition needs:", lines))
