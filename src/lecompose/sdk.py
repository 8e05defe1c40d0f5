"""The public face: one function an operation, with the argument names of the command line."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lecompose import plan
from lecompose.catalog import Catalog, open_catalog
from lecompose.engine import Engine
from lecompose.errors import RequestError, SourceBroken, listed
from lecompose.execute import Report, execute, preview, refuse_taken, workspace
from lecompose.formats import Limits
from lecompose.layout import lay_out
from lecompose.run import Progress, Silent
from lecompose.stages.verify import Violation, remarks, requirements, violations
from lecompose.summary import Summary, summarise
from lecompose.target import agree

ROW_GROUPS = ("episode", "packed")


def merge(
    sources: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    robot_type: str | None = None,
    data_mb: float = Limits.data_mb,
    video_mb: float = Limits.video_mb,
    chunk_files: int = Limits.chunk_files,
    row_groups: str = "episode",
    overwrite: bool = False,
    dry_run: bool = False,
    threads: int | None = None,
    memory: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """The report of merging `sources`, in the order given, into one v3.0 dataset at `out`.

    Sources are folders, or repo ids under $HF_LEROBOT_HOME, of any format version. Every frame, state,
    task and timestamp is the source's; videos are not decoded.

    Units: `data_mb` and `video_mb` in MiB a file; `memory` as in "4GB".
    Errors: FeatureMismatch with every difference between the sources; SourceError, MediaError with every
    unusable file; OutputExists, OutputUnwritable; VerifyError. After any of them `out` is as it was.
    """
    start = time.perf_counter()
    if isinstance(sources, str | Path):
        sources = [sources]
    if not str(out):
        raise RequestError("the output has no name. Try: -o FOLDER")
    _refuse_options(row_groups=row_groups, data_mb=data_mb, video_mb=video_mb, chunk_files=chunk_files)
    destination = Path(out).expanduser().absolute()
    refuse_taken(destination, overwrite=overwrite, roots=[])
    with _scratch(destination, dry_run=dry_run) as scratch, _engine(scratch, threads, memory) as engine:
        catalog = open_catalog(engine, sources)
        refuse_taken(destination, overwrite=overwrite, roots=[s.root for s in catalog.sources])
        limits = Limits(data_mb=data_mb, video_mb=video_mb, chunk_files=chunk_files)
        target = agree(catalog, robot_type=robot_type, limits=limits, row_groups=row_groups)
        _refuse_broken(catalog)
        plan.merge(catalog, output=destination.name)
        layout = lay_out(catalog, target, scratch=scratch, notes=(*_repeated(catalog), *_unlisted(catalog)))
        destinations = {destination.name: destination}
        if dry_run:
            return preview(layout, destinations)
        return execute(
            layout,
            destinations,
            staging=scratch,
            overwrite=overwrite,
            progress=progress or Silent(),
            planned_s=time.perf_counter() - start,
        )


def info(source: str | Path, *, threads: int | None = None, memory: str | None = None) -> Summary:
    """What is in a dataset: format, robot, episodes, tasks, features, cameras, sizes.

    Errors: SourceError where it cannot be read.
    """
    with _opened(source, threads, memory) as (catalog, _):
        return summarise(catalog)


def check(source: str | Path, *, threads: int | None = None, memory: str | None = None) -> list[Violation]:
    """Every promise of its format that a dataset breaks; empty where it is sound.

    Reads metadata, parquet and video tables; decodes nothing, changes nothing.
    Errors: SourceError where there is too little to check.
    """
    with _opened(source, threads, memory) as (catalog, scratch):
        return violations(catalog, scratch=scratch)


@contextmanager
def _opened(source: str | Path, threads: int | None, memory: str | None) -> Iterator[tuple[Catalog, Path]]:
    with TemporaryDirectory(prefix="lecompose-") as folder, _engine(Path(folder), threads, memory) as engine:
        yield open_catalog(engine, [source]), Path(folder)


@contextmanager
def _engine(scratch: Path, threads: int | None, memory: str | None) -> Iterator[Engine]:
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


def _refuse_options(*, row_groups: str, **positive: float) -> None:
    if row_groups not in ROW_GROUPS:
        raise RequestError(f'row groups "{row_groups}": one of {", ".join(ROW_GROUPS)} is needed')
    for name, value in positive.items():
        if not 0 < value < float("inf"):
            raise RequestError(f"{name} is {value}; a number above 0 is needed")


def _repeated(catalog: Catalog) -> Iterator[str]:
    """A note for each source that is given more than once: it may be meant, or a slip of the shell."""
    for root, times in Counter(s.root for s in catalog.sources).items():
        if times > 1:
            yield f"this source is given {times} times, and so are its episodes in the output. ({root})"


def _unlisted(catalog: Catalog) -> tuple[str, ...]:
    """A note for each stretch of data that no episode list names, and that therefore stays behind."""
    return tuple(f'source "{v.src_dataset}": left out: {v}' for v in remarks(catalog))


def _refuse_broken(catalog: Catalog) -> None:
    broken = requirements(catalog)
    if broken:
        lines = [f'source "{v.src_dataset}": {v}' for v in broken]
        raise SourceBroken(listed("sources that do not keep what a composition needs:", lines))
