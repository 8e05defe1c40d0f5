"""Relations of many sources at once: a query each would take most of the time that opening them does."""

from collections.abc import Callable, Sequence

from lecompose.dataset.catalog.data_files import read_from
from lecompose.dataset.catalog.relations import RELATIONS
from lecompose.dataset.catalog.source import Source
from lecompose.engine import Engine
from lecompose.errors import QueryError, SourceBroken, collect


def make_batched(
    engine: Engine,
    relation: str,
    sources: Sequence[Source],
    make: Callable[[str, Sequence[Source]], None],
    *,
    folder: str,
) -> str:
    """Return the name of a relation of sources that are read alike, in one query.

    Of many that is far less work.

    Raises:
        SourceBroken: naming the `folder` of every source that cannot be read.
    """

    def alone(source: Source) -> None:
        with read_from(source.root / folder):
            make(f"{relation}_alone", [source])
        engine.drop(f"{relation}_alone")

    try:
        make(relation, sources)
    except (SourceBroken, QueryError):
        collect(sources, alone, what="sources")
        raise
    return relation


def join_parts(engine: Engine, relation: str, parts: Sequence[str]) -> None:
    """Make a relation of its parts, which are there no more; an empty one where there are none."""
    if not parts:
        engine.load(relation, RELATIONS[relation].empty_table())
    elif len(parts) == 1:
        engine.rename(parts[0], relation)
    else:
        engine.table(relation, "catalog/union", {"relations": parts})
        engine.drop(*parts)
