"""Clips that have frames of other clips: whose pictures these are cannot be known.

Datasets merged by LeRobot 0.3.4 to 0.4.2 have such pointers. Only an episode that is there twice, with the
same rows, rightly has the pictures of another one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from lecompose import formats
from lecompose.dataset.catalog import Catalog, Source
from lecompose.dataset.catalog.data_files import needs_union_by_name
from lecompose.dataset.catalog.frames import list_data_files
from lecompose.engine import Engine
from lecompose.errors import ComposeError, SourceBroken
from lecompose.formats import DEFAULT_FEATURES

REPAIR = "lecompose repair"

Key = tuple[str, int]
"""Source and number of an episode."""
CameraKey = tuple[str, str]
"""Source and name of a camera."""


@dataclass(frozen=True)
class SharedFrames:
    """A clip that has frames of another clip in the same file."""

    src_dataset: str
    video_file: str
    src_episode: int
    camera: str
    from_frame: int
    to_frame: int
    other_episode: int
    other_camera: str
    other_from_frame: int
    other_to_frame: int

    @property
    def episodes(self) -> tuple[Key, Key]:
        return (self.src_dataset, self.src_episode), (self.src_dataset, self.other_episode)

    @property
    def cameras(self) -> tuple[CameraKey, CameraKey]:
        return (self.src_dataset, self.camera), (self.src_dataset, self.other_camera)

    @property
    def may_repeat(self) -> bool:
        """Whether the two are all the same frames, for one camera of two episodes."""
        spans = (self.from_frame, self.to_frame), (self.other_from_frame, self.other_to_frame)
        return spans[0] == spans[1] and self.camera == self.other_camera

    @property
    def problem(self) -> str:
        """What is shared with whom."""
        other = f"episode {self.other_episode}"
        if self.camera != self.other_camera:
            other = f'camera "{self.other_camera}" of {other}'
        first, end = max(self.from_frame, self.other_from_frame), min(self.to_frame, self.other_to_frame)
        return f"frames {first} to {end - 1} are said to be those of {other}, too"


@dataclass(frozen=True)
class Sharing:
    """The clips that cannot be trusted, and for each repeated episode the one that it repeats."""

    doubtful: tuple[SharedFrames, ...]
    repeats: Mapping[Key, Key]


@dataclass(frozen=True)
class _Alike:
    src_episode: int
    first_episode: int


def find_shared_frames(catalog: Catalog) -> Sharing:
    """Return the clips that have frames of others, apart from those of episodes whose rows are equal too."""
    found = catalog.engine.records("catalog/shared_frames", SharedFrames)
    suspects: dict[str, set[int]] = {}
    for pair in found:
        if pair.may_repeat:
            suspects.setdefault(pair.src_dataset, set()).update((pair.src_episode, pair.other_episode))
    firsts = {
        (source.name, episode): first
        for source in catalog.sources
        if source.name in suspects
        for episode, first in find_equal_rows(catalog.engine, source, suspects[source.name]).items()
    }
    same = [pair for pair in found if pair.may_repeat and _have_equal_rows(pair, firsts)]
    doubtful = set(found) - set(same)
    spoilt = {key for pair in doubtful for key in pair.episodes}
    repeats = {pair.episodes[0]: pair.episodes[1] for pair in same if spoilt.isdisjoint(pair.episodes)}
    return Sharing(tuple(pair for pair in found if pair in doubtful), repeats)


def _have_equal_rows(pair: SharedFrames, firsts: Mapping[Key, int]) -> bool:
    one, other = (firsts.get(key) for key in pair.episodes)
    return one is not None and one == other


def find_equal_rows(engine: Engine, source: Source, episodes: Iterable[int]) -> dict[int, int]:
    """Return for each of the episodes the first of them that has the same values.

    Numbers and tasks may differ. Nothing comes back where rows have no values but those by which they are
    numbered.
    """
    columns = [f.name for f in source.columns if f.name not in DEFAULT_FEATURES and not f.is_visual]
    if not columns:
        return {}
    files = list_data_files(engine, source)
    try:
        rows = engine.records(
            "catalog/equal_rows",
            _Alike,
            {"columns": columns},
            src_dataset=source.name,
            episodes=sorted(episodes),
            files=[formats.escaped_glob(file) for file in files],
            by_name=needs_union_by_name(files),
        )
    except ComposeError:  # what cannot be read is equal to nothing
        return {}
    return {row.src_episode: row.first_episode for row in rows}


def refuse_doubtful_clips(
    catalog: Catalog, *, episodes: Collection[Key], cameras: Collection[CameraKey], remedy: str = REPAIR
) -> Sharing:
    """Refuse to read clips that have frames of others; return which clips share frames.

    `episodes` and `cameras`, both with their sources, are those that are read. `remedy` finds their clips.

    Raises:
        SourceBroken: naming each of these clips.
    """
    sharing = find_shared_frames(catalog)
    problems = (
        f'camera "{pair.camera}", source "{pair.src_dataset}", episode {pair.src_episode}: {pair.problem}.'
        f" ({pair.video_file})"
        for pair in sharing.doubtful
        if any(key in episodes for key in pair.episodes) and any(key in cameras for key in pair.cameras)
    )
    refuse_clips(problems, remedy)
    return sharing


def refuse_clips(problems: Iterable[str], remedy: str) -> None:
    """Refuse what these problems show to be the pictures of others. Raises SourceBroken if there are any."""
    if parts := list(problems):
        raise SourceBroken(
            "pointers to videos are wrong: whose pictures these are cannot be known from them",
            hint=f"{remedy}, which finds clips by the order and the lengths of the episodes",
            parts=parts,
        )


def describe_repeats(sharing: Sharing, episodes: Collection[Key]) -> Iterator[str]:
    """Yield a note for each source that has episodes twice among those read."""
    by_source: dict[str, list[str]] = {}
    for (name, episode), other in sharing.repeats.items():
        if (name, episode) in episodes and other in episodes:
            by_source.setdefault(name, []).append(f"{episode} is {other[1]}")
    for name, lines in by_source.items():
        more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
        yield (
            f'source "{name}": episodes that repeat the rows and pictures of another one:'
            f" {', '.join(lines[:5])}{more}"
        )
