"""Operation → the plan: the relation `plan`, one row an output episode.

    out_dataset, out_episode, src_dataset, src_episode

Operations differ only in the `sql/plan/` file that picks episodes and gives each a sort key;
`plan/number` alone gives positions, and `plan/check` must find nothing before any stage starts.
"""

from lecompose.catalog import Catalog
from lecompose.errors import EmptyOutput, UnknownEpisode, listed


def merge(catalog: Catalog, *, output: str) -> None:
    """Plan every episode of every source into one output, in the order of the sources.

    Errors: EmptyOutput where the sources hold no episode.
    """
    catalog.engine.table("picks", "plan/merge", output=output)
    _number(catalog, [output])


def _number(catalog: Catalog, outputs: list[str]) -> None:
    catalog.engine.table("plan", "plan/number")
    problems = [row["problem"] for row in catalog.engine.rows("plan/check")]
    if problems:
        raise UnknownEpisode(listed("the plan cannot be carried out:", problems))
    filled = {row["out_dataset"] for row in catalog.engine.rows("plan/totals")}
    empty = [output for output in outputs if output not in filled]
    if empty:
        raise EmptyOutput(listed("nothing to write; these outputs have no episode:", empty))
