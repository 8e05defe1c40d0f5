"""`lecompose.stats`."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from lecompose.composition import plan
from lecompose.composition.destination import single_destination
from lecompose.composition.named_sources import PathLike, Source, name_sources, output_folder
from lecompose.composition.open_sources import find_broken, find_shifts, open_one, refuse_broken
from lecompose.composition.pipeline import run_request
from lecompose.composition.plan import Plan
from lecompose.composition.report import Report
from lecompose.composition.request import Request
from lecompose.composition.settings import Options, parse_options
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.feature_map.rename_features import refuse_unusable
from lecompose.errors import RequestError, few
from lecompose.statistics.of_dataset import measure_dataset
from lecompose.statistics.relative import choose_relative, describe_relative
from lecompose.statistics.relative_action import STATE, RelativeAction

if TYPE_CHECKING:
    from typing import overload
else:
    # typing's own keeps this module for ever, and DuckDB with it, which beside torch complains at exit.
    def overload(function):
        return function


# What LeRobot 0.6.1 takes without being told.
_HORIZON = 50
_EXCLUDED = ("gripper",)


@overload
def stats(
    source: Source,
    *,
    out: None = None,
    images: bool = False,
    relative: str | None = None,
    horizon: int = _HORIZON,
    exclude: str | Iterable[str] = _EXCLUDED,
    **options: Unpack[Options],
) -> dict[str, Any]: ...


@overload
def stats(  # noqa: F811
    source: Source,
    *,
    out: PathLike,
    images: bool = False,
    relative: str | None = None,
    horizon: int = _HORIZON,
    exclude: str | Iterable[str] = _EXCLUDED,
    **options: Unpack[Options],
) -> Report: ...


def stats(  # noqa: F811
    source: Source,
    *,
    out: PathLike | None = None,
    images: bool = False,
    relative: str | None = None,
    horizon: int = _HORIZON,
    exclude: str | Iterable[str] = _EXCLUDED,
    **options: Unpack[Options],
) -> dict[str, Any] | Report:
    """Return the statistics of a dataset, computed from all its frames, as they stand in meta/stats.json.

    With `out` copy it there with all statistics computed again, also those of episodes; return the report.
    With `images` pictures are decoded, sampled as LeRobot samples them; without, a copy keeps what its
    source says of them, and a dict leaves them out. Timestamps that begin late
    are counted from 0 again, as in a copy.

    With `relative="action"` the statistics of the action are those of relative actions, as LeRobot's
    recompute_stats has them: over each stretch of `horizon` frames inside an episode, less the state of its
    first frame ("action=observation.state", which is the default). Dimensions whose names contain a word of
    `exclude` stay absolute.

    Raises:
        RequestError: for features that are not there; where no episode is as long as the horizon.
        MediaError: for pictures that cannot be decoded; other errors as of `merge`.
    """
    given, settings = name_sources(source), parse_options(**options)
    if len(given.paths) != 1:
        raise RequestError(f"stats takes one dataset, {len(given.paths)} are given", hint="merge them first")
    if relative is None and (horizon, exclude) != (_HORIZON, _EXCLUDED):
        raise RequestError("--horizon and --exclude say how actions are relative", hint="--relative action")
    told = None if relative is None else _parse_relative(relative, horizon, exclude)
    wanted = replace(settings.statistics, carried=False, pictures=images, relative=told)
    if out is None:
        with open_one(given.paths[0], settings.threads, settings.memory, complete=True) as (catalog, scratch):
            refuse_unusable(catalog.sources)
            broken = find_broken(catalog)
            late = frozenset(find_shifts(catalog, broken))
            refuse_broken(catalog, broken, retimed=late)
            _describe(catalog, told, {})
            return measure_dataset(
                catalog, wanted, scratch=scratch, progress=settings.progress, is_late=bool(late)
            )
    to = single_destination(output_folder(out))
    settings = replace(settings, statistics=wanted)

    def make_plan(catalog: Catalog) -> Plan:
        made = plan.merge(catalog, output=to.root.name)
        return replace(made, notes=(*made.notes, *_describe(catalog, told, dict(settings.changes.rename))))

    arguments: list[tuple[str, object]] = [("--images", images), ("--relative", relative)]
    if told is not None:
        arguments += [("--horizon", told.horizon), *(("--exclude", word) for word in told.exclude)]
    return run_request(Request("stats", given, to, make_plan, settings, arguments))


def _parse_relative(said: str, horizon: int, exclude: str | Iterable[str]) -> RelativeAction:
    """Return what "action" or "action=state" means. Raises RequestError for a horizon that is none."""
    feature, _, state = said.partition("=")
    if horizon < 1:
        raise RequestError(f"--horizon {horizon}: a number of frames above 0 is needed")
    words = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    return RelativeAction(feature.strip(), state.strip() or STATE, horizon, words)


def _describe(catalog: Catalog, told: RelativeAction | None, renames: dict[str, str]) -> tuple[str, ...]:
    """Return a note on relative actions, before anything is read.

    Raises:
        RequestError: for features that are not there; where no episode is as long as the horizon.
    """
    if told is None:
        return ()
    (source,) = catalog.sources
    features = [replace(f, name=renames.get(f.name, f.name)) for f in source.features]
    action, _ = choose_relative(told, features)
    names = str(action.spec.get("names")).lower()
    unknown = [word for word in told.exclude if word.lower() not in names and told.exclude != _EXCLUDED]
    if unknown:
        raise RequestError(f"no dimension of {action.name} is called by {few(unknown)}: {names}")
    return (describe_relative(told, action, [row.length for row in catalog.lengths(source)]),)
