"""Carries one request out: open the sources, settle what the output is, plan, lay out, execute."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from lecompose.checks import remarks, requirements
from lecompose.checks.repair import Mended, mend
from lecompose.composition import plan
from lecompose.composition.computed_features import ComputedFeature, Values, compute_feature, store_values
from lecompose.composition.destination import Destinations, refuse_existing
from lecompose.composition.execute import execute
from lecompose.composition.layout import lay_out
from lecompose.composition.output_spec import OutputSpec, unify_sources
from lecompose.composition.report import Report, preview
from lecompose.composition.request import NamedSources, PathLike, Settings
from lecompose.composition.resume import Staging, settle, workspace
from lecompose.dataset.catalog import Catalog, locate, open_catalog
from lecompose.dataset.query_views import open_views
from lecompose.engine import Engine, open_engine
from lecompose.errors import SourceBroken, listed
from lecompose.statistics.exact import Wanted

MakePlan = Callable[[Catalog], tuple[plan.Notes, Destinations]]
"""Makes the plan of what a catalog holds, and says where its outputs go."""


@dataclass(frozen=True)
class Request:
    """One composition: sources, plan, destination, settings, and the command as text.

    `to` is what is known of the destination before there is a plan. `statistics` are wanted in place of the
    settings' own, and with `retime` every frame is counted at that rate. `declare` keeps columns of damaged
    sources that info.json does not declare. `values` are those of new features, by name. `stand_in` makes,
    in a scratch folder, the dataset that is read in the place of the one given.
    """

    given: NamedSources
    to: Destinations
    fill: MakePlan
    settings: Settings
    text: str
    statistics: Wanted | None = None
    retime: Fraction | None = None
    declare: bool = False
    values: Mapping[str, Values] = field(default_factory=dict)
    stand_in: Callable[[Path], Path] | None = None


def run_request(request: Request) -> Report:
    """The report of a request carried out, or of what it would do.

    Errors: those of the sources, the plan, the layout and the stages; every destination is as it was then.
    """
    clock = [time.perf_counter()]
    settings, to = request.settings, request.to
    overwrite = settings.overwrite
    settled = () if settings.dry_run else settle(to.root)
    refuse_existing(to, overwrite=overwrite, roots=[])
    with (
        _staging(to.root, dry_run=settings.dry_run) as staging,
        start_engine(staging.scratch, settings.threads, settings.memory) as engine,
    ):
        scratch = staging.scratch
        mended = _mended(request, scratch)
        catalog = _catalog(engine, request, mended, scratch)
        clock.append(time.perf_counter())
        roots = _roots(request, catalog, mended)
        refuse_existing(to, overwrite=overwrite, roots=roots)
        off_grid = frozenset(s.name for s, m in zip(catalog.sources, mended, strict=False) if m.off_grid)
        computed = _added(catalog, request, scratch, off_grid)
        output_spec = _output_spec(catalog, request, computed, mended, off_grid)
        refuse_broken(catalog, retimed=output_spec.resampling.retimed)
        notes, to = request.fill(catalog)
        refuse_existing(to, overwrite=overwrite, roots=roots)
        layout = lay_out(
            catalog,
            output_spec,
            scratch=scratch,
            notes=(*settled, *_told(mended), *_repeated(catalog), *_unlisted(catalog), *notes),
            reencode=settings.reencode,
            computed=computed,
        )
        dropped = tuple(dropped for m in mended for dropped in m.dropped)
        clock.append(time.perf_counter())
        seconds = {"open": clock[1] - clock[0], "plan": clock[2] - clock[1]}
        if settings.dry_run:
            return replace(preview(layout, to, seconds=seconds), dropped=dropped)
        report = execute(
            layout,
            to,
            command=request.text,
            staging=staging,
            overwrite=overwrite,
            progress=settings.told,
            before=seconds,
        )
        return replace(report, dropped=dropped)


def _output_spec(
    catalog: Catalog,
    request: Request,
    computed: tuple[ComputedFeature, ...],
    mended: Sequence[Mended],
    off_grid: frozenset[str],
) -> OutputSpec:
    settings = request.settings
    remove = settings.changes.remove
    if mended:
        remove = (*_there(remove, catalog), *(() if request.declare else _undeclared(catalog, mended)))
    output_spec = unify_sources(
        catalog,
        robot_type=settings.robot_type,
        limits=settings.limits,
        row_groups=settings.row_groups,
        rewrite_data=settings.rewrite_data,
        changes=replace(settings.changes, remove=remove, add=tuple(column.feature for column in computed)),
        fps=settings.rate,
        retime=request.retime,
        off_grid=off_grid,
    )
    wanted = request.statistics or settings.statistics
    # What sources say of their pictures is said of all their frames, and some may have lost what they said.
    pictures = (
        wanted.pictures or bool(output_spec.resampling.downsampled) or not all(m.has_stats for m in mended)
    )
    return replace(output_spec, statistics=replace(wanted, pictures=pictures))


def _added(
    catalog: Catalog, request: Request, scratch: Path, off_grid: frozenset[str]
) -> tuple[ComputedFeature, ...]:
    wishes, values = request.settings.wishes, request.values.items()
    if not wishes and not values:
        return ()
    refuse_broken(catalog, retimed=off_grid)  # else the frames to compute from may be none
    known = [store_values(catalog, *pair, scratch / f"given-{n}.arrow") for n, pair in enumerate(values)]
    if not wishes:
        return tuple(known)
    with open_views(catalog) as views:
        asked = [compute_feature(views, wish, scratch / f"added-{n}.arrow") for n, wish in enumerate(wishes)]
    return (*known, *asked)


# Damaged sources --------------------------------------------------------------------------------


def _mended(request: Request, scratch: Path) -> tuple[Mended, ...]:
    """What can be saved of each source; nothing where that was not asked for."""
    settings = request.settings
    if not settings.skip_broken:
        return ()
    without = frozenset(name for key in settings.changes.remove for name in (key, key.partition(":")[2]))
    return tuple(
        mend(
            path,
            scratch=scratch / f"mended-{n}",
            without=without,
            threads=settings.threads,
            memory=settings.memory,
        )
        for n, path in enumerate(request.given.paths)
    )


def _catalog(engine: Engine, request: Request, mended: Sequence[Mended], scratch: Path) -> Catalog:
    given, made = request.given, [m.root for m in mended]
    if request.stand_in is not None:
        made = [request.stand_in(scratch)]
    return open_catalog(engine, made or given.paths, names=given.names, given=given.paths)


def _roots(request: Request, catalog: Catalog, mended: Sequence[Mended]) -> list[Path]:
    """The folders that were given; others are read where something stands in for them."""
    if mended or request.stand_in is not None:
        return [locate(path) for path in request.given.paths]
    return [source.root for source in catalog.sources]


def _undeclared(catalog: Catalog, mended: Sequence[Mended]) -> tuple[str, ...]:
    pairs = zip(catalog.sources, mended, strict=True)
    return tuple(f"{source.name}:{name}" for source, m in pairs for name in m.undeclared)


def _there(remove: Sequence[str], catalog: Catalog) -> Iterator[str]:
    """What is to be removed and is there still: cameras that were to go have gone."""
    names = {f.name for source in catalog.sources for f in source.features}
    return (key for key in remove if key in names or key.partition(":")[2] in names)


def _told(mended: Sequence[Mended]) -> Iterator[str]:
    """What was put right, and which episodes were left out."""
    for m in mended:
        yield from m.notes
        lines = [f"episode {d.episode}: {d.reason}{f' ({d.file})' if d.file else ''}" for d in m.dropped]
        if lines:
            count = "1 episode" if len(lines) == 1 else f"{len(lines)} episodes"
            yield listed(f'source "{m.source.name}": {count} could not be saved:', lines)


@contextmanager
def open_one(source: PathLike, threads: int | None, memory: str | None) -> Iterator[tuple[Catalog, Path]]:
    """The catalog of one dataset, and a scratch folder of its own."""
    with (
        TemporaryDirectory(prefix="lecompose-") as folder,
        start_engine(Path(folder), threads, memory) as engine,
    ):
        yield open_catalog(engine, [source]), Path(folder)


@contextmanager
def start_engine(scratch: Path, threads: int | None, memory: str | None) -> Iterator[Engine]:
    """An engine, closed afterwards."""
    engine = open_engine(scratch=scratch, threads=threads, memory=memory)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def _staging(destination: Path, *, dry_run: bool) -> Iterator[Staging]:
    """Where a run works; where nothing is to be written, away from the destination."""
    if not dry_run:
        with workspace(destination) as staging:
            yield staging
        return
    with TemporaryDirectory(prefix="lecompose-") as folder:
        staging = Staging(Path(folder), None, [])
        staging.scratch.mkdir()
        yield staging


def _repeated(catalog: Catalog) -> Iterator[str]:
    """A note for each source that is given more than once: it may be meant, or a slip of the shell."""
    for root, times in Counter(s.root for s in catalog.sources).items():
        if times > 1:
            yield f"this source is given {times} times, and so are its episodes in the output. ({root})"


def _unlisted(catalog: Catalog) -> tuple[str, ...]:
    """A note for each stretch of data that no episode list names, and that therefore stays behind."""
    return tuple(f'source "{v.src_dataset}": left out: {v}' for v in remarks(catalog))


def refuse_broken(catalog: Catalog, *, retimed: frozenset[str] = frozenset()) -> None:
    """Errors: SourceBroken for sources that do not keep what a composition needs.

    The times of those that are `retimed` are no matter.
    """
    broken = [v for v in requirements(catalog) if v.code != "frame_times" or v.src_dataset not in retimed]
    if broken:
        lines = [f'source "{v.src_dataset}": {v}' for v in broken]
        raise SourceBroken(
            "sources that do not keep what a composition needs",
            hint="--skip-broken, which takes what can be saved",
            parts=lines,
        )
