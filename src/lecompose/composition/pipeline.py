"""Carries one request out: open the sources, settle what the output is, plan, lay out, execute."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lecompose.composition.computed_features import compute_dimensions, compute_features
from lecompose.composition.destination import decide_destinations, refuse_existing
from lecompose.composition.episode_columns import edit_episode_columns
from lecompose.composition.execute import execute
from lecompose.composition.in_place import refuse_changed_episodes, refuse_losses, stamp_files
from lecompose.composition.layout import lay_out
from lecompose.composition.machines import FINISH
from lecompose.composition.open_sources import (
    SKIP_BROKEN,
    OpenSources,
    choose_broken,
    open_sources,
    refuse_broken,
    repair_command,
    start_engine,
    suggest_way_out,
)
from lecompose.composition.output_spec import unify_sources
from lecompose.composition.plan import Plan
from lecompose.composition.repeated_recordings import find_repeated
from lecompose.composition.repetition import describe_repetition
from lecompose.composition.report import Report, preview
from lecompose.composition.request import Request
from lecompose.composition.resume import Staging, settle, workspace
from lecompose.concurrency import warn
from lecompose.dataset.catalog import Catalog
from lecompose.errors import ComposeError, RequestError


def run_request(request: Request) -> Report:
    """Carry a request out, or only plan it where it is a dry run; return the report.

    Raises:
        ComposeError: those of the sources, the plan, the layout and the stages; every destination is then as
            it was before.
    """
    with suggest_way_out(_way_out(request)):
        return _carry_out(request)


def _way_out(request: Request) -> str | None:
    """Return what a user tries whose sources are damaged; None where that was tried."""
    if request.settings.skip_broken:
        return None
    if request.destinations.in_place:
        return repair_command(request.sources.paths[0])
    return SKIP_BROKEN


def _carry_out(request: Request) -> Report:
    clock = [time.perf_counter()]
    settings, destinations = request.settings, request.destinations
    settled = () if settings.dry_run else settle(destinations.root)
    refuse_existing(destinations, overwrite=settings.overwrite)
    stamps = stamp_files(destinations.root) if destinations.in_place and not settings.dry_run else None
    with (
        _staging(destinations.root, dry_run=settings.dry_run) as staging,
        start_engine(staging.scratch, settings.threads, settings.memory) as engine,
        ExitStack() as opened,
    ):
        scratch = staging.scratch
        sources = open_sources(engine, request.sources, settings, stand_in=request.stand_in, scratch=scratch)
        opened.enter_context(sources.name_originals())
        if destinations.in_place:
            refuse_losses(sources, destinations.root)
        settings = sources.adapt(settings)
        if request.episode_columns is not None:
            edited = edit_episode_columns(sources.catalog, request.episode_columns)
            sources = replace(sources, catalog=edited)
        clock.append(time.perf_counter())
        computed = compute_features(sources, settings.new_features, request.values, scratch=scratch)
        output_spec = unify_sources(
            sources.catalog,
            settings,
            new_features=tuple(column.feature for column in computed),
            off_grid=sources.off_grid,
            appends=destinations.in_place and len(sources.roots) > 1,
        )
        computed += compute_dimensions(sources, output_spec.set_dimensions, scratch=scratch)
        plan, left = _plan_sound(sources, request, output_spec.resampling.retimed)
        if settings.machines.runner == FINISH:
            _take_plan(sources.catalog, staging)
        destinations = decide_destinations(destinations, plan.outputs)
        refuse_existing(destinations, overwrite=settings.overwrite, roots=sources.roots)
        layout = lay_out(
            sources.catalog,
            output_spec,
            scratch=scratch,
            notes=(
                *settled,
                *_notes(sources, request),
                *plan.notes,
                *sources.catalog.tables.all_notes(),
                *left,
            ),
            reencode=settings.reencode,
            computed=computed,
            repaired_roots=sources.repaired_roots,
            by_number=sources.names if settings.retime is not None else (),
            replaced=destinations.root if destinations.in_place else None,
        )
        if layout.replaced is not None and len(sources.roots) > 1:
            refuse_changed_episodes(layout)
        repeats = describe_repetition(layout, destinations.root) if plan.may_repeat else None
        if repeats is not None:
            layout = replace(layout, notes=(repeats, *layout.notes))
            warn(settings.progress, repeats)
        clock.append(time.perf_counter())
        seconds = {"open": clock[1] - clock[0], "plan": clock[2] - clock[1]}
        if settings.dry_run:
            report = preview(layout, destinations, seconds=seconds)
        elif settings.machines.leaves:
            from lecompose.composition.leave_jobs import leave_jobs  # few runs do

            report = leave_jobs(
                layout,
                destinations,
                command=request.command,
                words=_say_in_words(request),
                staging=staging,
                machines=settings.machines,
                before=seconds,
            )
        else:
            report = execute(
                layout,
                destinations,
                command=request.command,
                staging=staging,
                overwrite=settings.overwrite,
                progress=settings.progress,
                before=seconds,
                machines=settings.machines,
                words=request.words,
                stamps=stamps,
            )
        return replace(report, dropped=sources.dropped)


def _take_plan(catalog: Catalog, staging: Staging) -> None:
    """Take the plan that the jobs were made of: SQL may give another one each time."""
    from lecompose.composition.runners.job_folder import open_job_folder  # few runs have one

    stored = open_job_folder(staging.folder).read_plan()
    catalog.engine.drop("plan")
    catalog.engine.load("plan", stored)


def _say_in_words(request: Request) -> tuple[str, ...]:
    """Return the request as another process will be given it.

    Raises:
        RequestError: where it holds values that no command line can say.
    """
    if request.words is None:
        raise RequestError(
            "these jobs cannot be left to others: the request holds values of Python, or a table from a pipe,"
            " and another process has to finish it",
            hint='runner="ray", or wait=True',
        )
    return request.words


def _plan_sound(
    sources: OpenSources, request: Request, retimed: frozenset[str]
) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan, and notes on the broken episodes that it does not take.

    Raises:
        SourceBroken: for those that it takes, and where damage keeps it from being made.
    """
    try:
        plan = request.make_plan(sources.catalog)
    except ComposeError:
        refuse_broken(sources.catalog, sources.broken, retimed=retimed)
        raise
    taken, left = choose_broken(sources.catalog, sources.broken)
    refuse_broken(sources.catalog, taken, retimed=retimed)
    return plan, tuple(f'source "{v.src_dataset}": not taken, and broken: {v}' for v in left)


def _notes(sources: OpenSources, request: Request) -> Iterator[str]:
    """Yield what is to be told of the sources, once the plan is made."""
    yield from sources.notes(keep_undeclared=request.settings.keep_undeclared)
    # In place, and beside a stand-in, other files stay where they are.
    beside = None if request.destinations.in_place or request.stand_in else sources.other_files()
    if beside is not None:
        yield f"left out: {beside}"
    yield from find_repeated(sources.catalog, sources.roots)


@contextmanager
def _staging(destination: Path, *, dry_run: bool) -> Iterator[Staging]:
    """Give the folder in which a run works; where nothing is to be written, away from the destination."""
    if not dry_run:
        with workspace(destination) as staging:
            yield staging
        return
    with TemporaryDirectory(prefix="lecompose-") as folder:
        staging = Staging(Path(folder), None, [])
        staging.scratch.mkdir(parents=True)
        yield staging
