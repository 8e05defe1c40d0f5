"""Find the pictures that go from files of their own into the output's data files, and odd sizes."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lecompose.composition.jobs import DataFileJob
from lecompose.composition.output_spec import OutputSpec
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.loose_pictures import LooseEpisode, LoosePictures, find_loose_pictures
from lecompose.dataset.picture_sizes import OddPictures, find_odd_sizes
from lecompose.errors import SourceBroken, few

_PLAN = ("src_dataset", "src_episode")


def find_loose(catalog: Catalog, output_spec: OutputSpec, roots: Mapping[str, Path] | None) -> LoosePictures:
    """Return the pictures of the plan's episodes that their data files name by path only.

    Raises:
        SourceBroken: if files of some are missing; all are named.
    """
    cameras = _list_cameras(output_spec)
    if not cameras:
        return LoosePictures()
    episodes = _list_episodes(catalog)
    loose = find_loose_pictures(catalog, cameras=cameras, episodes=episodes, roots=roots)
    loose.refuse_missing()
    return loose


def _list_cameras(output_spec: OutputSpec) -> set[tuple[str, str]]:
    return {
        (source, how.feature.name)
        for source, takes in output_spec.feature_map.items()
        for how in takes.values()
        if how.feature is not None and how.feature.dtype == "image"
    }


def _list_episodes(catalog: Catalog) -> set[tuple[str, int]]:
    plan = catalog.engine.read("plan", _PLAN)
    return set(zip(*(plan[name].to_pylist() for name in _PLAN), strict=True))


def describe_odd_sizes(catalog: Catalog, output_spec: OutputSpec) -> Iterator[str]:
    """Yield a note for each source and feature with pictures of another size among the plan's episodes."""
    cameras = _list_cameras(output_spec)
    odd = find_odd_sizes(catalog, cameras=cameras) if cameras else []
    episodes = _list_episodes(catalog) if odd else set()
    found: dict[tuple[str, str], list[OddPictures]] = {}
    for each in odd:
        if each.src_episode is None or (each.src_dataset, each.src_episode) in episodes:
            found.setdefault((each.src_dataset, each.feature), []).append(each)
    for (source, feature), alike in found.items():
        numbers = few([str(each.src_episode) for each in alike]).replace('"', "")
        yield (
            f'source "{source}", feature "{feature}": episode {numbers}: {alike[0].problem}; LeRobot cannot'
            " batch them"
        )


def refuse_pieces_of_empty(loose: LoosePictures, jobs: Iterable[DataFileJob]) -> None:
    """Refuse pieces of episodes with empty pictures: the statistics of a piece are made of all its pictures.

    Raises:
        SourceBroken: naming the first of them.
    """
    pieces = {(e.src_dataset, e.src_episode) for job in jobs for e in job.episodes if not e.is_whole}
    for empty in loose.episodes:
        if empty.empty and (empty.src_dataset, empty.src_episode) in pieces:
            raise SourceBroken(
                f'source "{empty.src_dataset}", episode {empty.src_episode}, feature "{empty.feature}":'
                f" {empty.emptiness}, and the statistics of a piece are made of all its pictures",
                hint="--skip-broken, which leaves its episode out",
            )


def describe_empty(loose: LoosePictures) -> Iterator[str]:
    """Yield a note for each source and feature with empty pictures."""
    found: dict[tuple[str, str], list[LooseEpisode]] = {}
    for episode in loose.episodes:
        if episode.empty:
            found.setdefault((episode.src_dataset, episode.feature), []).append(episode)
    for (source, feature), alike in found.items():
        more = f"; and so on in {len(alike)} episodes" if len(alike) > 1 else ""
        yield (
            f'source "{source}", feature "{feature}": episode {alike[0].src_episode}: {alike[0].emptiness}'
            f"{more}; they stay so in the output, and LeRobot cannot load them. Try: --skip-broken, which"
            " leaves their episodes out"
        )


def describe_embedded(loose: LoosePictures) -> Iterator[str]:
    """Yield a note for each source and feature of which pictures are put into data files."""
    counts: dict[tuple[str, str], int] = {}
    for episode in loose.episodes:
        key = episode.src_dataset, episode.feature
        if episode.there:
            counts[key] = counts.get(key, 0) + episode.there
    for (source, feature), there in counts.items():
        yield (
            f'source "{source}", feature "{feature}": data files named {there} pictures by path only, and the'
            " output has them in its data files"
        )
