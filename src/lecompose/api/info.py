"""`lecompose.info`."""

from lecompose.composition.named_sources import Source, name_sources
from lecompose.composition.open_sources import open_one
from lecompose.dataset.summary import Summary, summarise


def info(source: Source, *, threads: int | None = None, memory: str | None = None) -> Summary:
    """Return what is in a dataset: format, robot, episodes, tasks, features, cameras, sizes.

    Raises:
        SourceError: where it cannot be read.
    """
    with open_one(name_sources(source).paths[0], threads, memory) as (catalog, _):
        return summarise(catalog)
