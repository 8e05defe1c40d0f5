"""Find the pictures that go from files of their own into the output's data files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from lecompose.composition.output_spec import OutputSpec
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.loose_pictures import LoosePictures, find_loose_pictures

_PLAN = ("src_dataset", "src_episode")


def find_loose(catalog: Catalog, output_spec: OutputSpec, roots: Mapping[str, Path] | None) -> LoosePictures:
    """Return the pictures of the plan's episodes that their data files name by path only.

    Raises:
        SourceBroken: if files of some are missing; all are named.
    """
    cameras = {
        (source, how.feature.name)
        for source, takes in output_spec.feature_map.items()
        for name, how in takes.items()
        if how.feature is not None and how.feature.dtype == "image"
    }
    if not cameras:
        return LoosePictures()
    plan = catalog.engine.read("plan", _PLAN)
    episodes = set(zip(*(plan[name].to_pylist() for name in _PLAN), strict=True))
    loose = find_loose_pictures(catalog, cameras=cameras, episodes=episodes, roots=roots)
    loose.refuse_missing()
    return loose


def describe_embedded(loose: LoosePictures) -> Iterator[str]:
    """Yield a note for each source and feature of which pictures are put into data files."""
    counts: dict[tuple[str, str], int] = {}
    for episode in loose.episodes:
        key = episode.src_dataset, episode.feature
        counts[key] = counts.get(key, 0) + episode.there
    for (source, feature), there in counts.items():
        yield (
            f'source "{source}", feature "{feature}": data files named {there} pictures by path only, and the'
            " output has them in its data files"
        )
