"""`lecompose.stats`."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from lecompose.composition import plan
from lecompose.composition.destination import single_destination
from lecompose.composition.named_sources import PathLike, Source, name_sources, output_folder
from lecompose.composition.open_sources import find_broken, find_shifts, open_one, refuse_broken
from lecompose.composition.pipeline import run_request
from lecompose.composition.report import Report
from lecompose.composition.request import Request
from lecompose.composition.settings import Options, parse_options
from lecompose.dataset.feature_map.rename_features import refuse_unusable
from lecompose.errors import RequestError
from lecompose.statistics.of_dataset import measure_dataset

if TYPE_CHECKING:
    from typing import overload
else:
    # typing's own keeps this module for ever, and DuckDB with it, which beside torch complains at exit.
    def overload(function):
        return function


@overload
def stats(
    source: Source, *, out: None = None, images: bool = False, **options: Unpack[Options]
) -> dict[str, Any]: ...


@overload
def stats(source: Source, *, out: PathLike, images: bool = False, **options: Unpack[Options]) -> Report: ...  # noqa: F811


def stats(  # noqa: F811
    source: Source, *, out: PathLike | None = None, images: bool = False, **options: Unpack[Options]
) -> dict[str, Any] | Report:
    """Return the statistics of a dataset, computed from all its frames, as they stand in meta/stats.json.

    With `out` copy it there with all statistics computed again, also those of episodes; return the report.
    With `images` pictures are decoded, sampled as LeRobot samples them; without, a copy keeps what its
    source says of them, and a dict leaves them out. Timestamps that begin late
    are counted from 0 again, as in a copy.

    Raises:
        MediaError: for pictures that cannot be decoded; other errors as of `merge`.
    """
    given, settings = name_sources(source), parse_options(**options)
    if len(given.paths) != 1:
        raise RequestError(f"stats takes one dataset, {len(given.paths)} are given", hint="merge them first")
    wanted = replace(settings.statistics, carried=False, pictures=images)
    if out is None:
        with open_one(given.paths[0], settings.threads, settings.memory, complete=True) as (catalog, scratch):
            refuse_unusable(catalog.sources)
            broken = find_broken(catalog)
            late = frozenset(find_shifts(catalog, broken))
            refuse_broken(catalog, broken, retimed=late)
            return measure_dataset(
                catalog, wanted, scratch=scratch, progress=settings.progress, is_late=bool(late)
            )
    to = single_destination(output_folder(out))
    make_plan = partial(plan.merge, output=to.root.name)
    settings = replace(settings, statistics=wanted)
    return run_request(Request("stats", given, to, make_plan, settings, [("--images", images)]))
