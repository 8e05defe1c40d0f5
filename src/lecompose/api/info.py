"""`lecompose.info`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from lecompose.composition.named_sources import Source, name_sources
from lecompose.composition.open_sources import open_one, open_rest, start_engine
from lecompose.dataset.catalog.data_files import is_empty
from lecompose.dataset.summary import Summary, summarise
from lecompose.errors import SourceBroken, UnsupportedVersion


def info(source: Source, *, threads: int | None = None, memory: str | None = None) -> Summary:
    """Return what is in a dataset: format, robot, episodes, tasks, features, cameras, sizes.

    Of a damaged dataset that is what can be read of it; `problems` say what cannot.

    Raises:
        SourceError: where nothing can be read.
    """
    given = name_sources(source).paths[0]
    try:
        with open_one(given, threads, memory) as (catalog, _):
            return summarise(catalog)
    except (SourceBroken, UnsupportedVersion) as error:
        if is_empty(given):
            return _summarise_empty(given, threads, memory)
        return _summarise_rest(given, error, threads, memory)


def _summarise_empty(given: str, threads: int | None, memory: str | None) -> Summary:
    """Return what is said of a dataset of which no episode was recorded."""
    from lecompose.checks.tolerant_open import open_tolerantly  # few need it

    with (
        TemporaryDirectory(prefix="lecompose-") as folder,
        start_engine(Path(folder), threads, memory) as engine,
    ):
        opened = open_tolerantly(engine, given)
        engine.table("episodes", "catalog/episodes")
        return summarise(opened.catalog, problems=("no episode was recorded",))


def _summarise_rest(
    given: str, error: SourceBroken | UnsupportedVersion, threads: int | None, memory: str | None
) -> Summary:
    """Return what is in a dataset that cannot be opened as it is."""
    with (
        TemporaryDirectory(prefix="lecompose-") as folder,
        start_engine(Path(folder), threads, memory) as engine,
    ):
        rest = open_rest(engine, [given], scratch=Path(folder), threads=threads, memory=memory)
        (damaged,) = rest.repaired.values()
        problems = (error.fault, *error.parts) if error.parts or not damaged.notes else ()
        return summarise(rest.catalog, of=damaged.source, problems=(*problems, *rest.notes()))
