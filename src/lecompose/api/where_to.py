"""Where an operation writes to: a new dataset, or the one that it reads."""

from pathlib import Path

from lecompose.composition.destination import Destinations, destination_in_place, single_destination
from lecompose.composition.named_sources import NamedSources, PathLike, Sources, name_sources, output_folder
from lecompose.composition.settings import Options, Settings, parse_options
from lecompose.dataset.catalog import locate
from lecompose.dataset.catalog.hub_cache import is_snapshot
from lecompose.errors import RequestError


def decide_where(
    sources: Sources, out: PathLike | None, in_place: bool, options: Options
) -> tuple[NamedSources, Destinations, Settings]:
    """Return what is read, where to it is written, and how.

    Raises:
        RequestError: unless it is said where to; where the dataset cannot be written in its own place.
    """
    given, settings = name_sources(sources), parse_options(**options)
    if in_place == (out is not None):
        raise RequestError("where to?", hint="either -o FOLDER, for a new dataset, or --in-place")
    if out is not None:
        return given, single_destination(output_folder(out)), settings
    if len(given.paths) > 1:
        raise RequestError("--in-place replaces one dataset, and several are given", hint="-o FOLDER")
    return given, decide_in_place(given, settings), settings


def decide_in_place(given: NamedSources, settings: Settings) -> Destinations:
    """Return the place of the one dataset that is given.

    Raises:
        RequestError: where the dataset cannot be written there.
    """
    if settings.skip_broken:
        raise RequestError("this would remove for good what --skip-broken leaves out", hint="-o FOLDER")
    return destination_in_place(_refuse_cache(locate(given.paths[0])))


def _refuse_cache(root: Path) -> Path:
    """Return the folder of a dataset. Raises RequestError for one that a cache holds for others, too."""
    if is_snapshot(root):
        raise RequestError("this dataset is in a download cache", hint="-o FOLDER", path=root)
    return root
