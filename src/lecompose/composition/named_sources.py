"""The sources of a request, in whatever way a caller gives them, and the folder of its output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from lecompose import formats
from lecompose.errors import RequestError


@runtime_checkable
class OpenedDataset(Protocol):
    """A dataset that LeRobot has opened: a `LeRobotDataset`, perhaps of some `episodes` only."""

    @property
    def root(self) -> Path: ...

    @property
    def episodes(self) -> Sequence[int] | None: ...


PathLike: TypeAlias = str | Path
Source: TypeAlias = PathLike | OpenedDataset
"""A folder, a repo id under $HF_LEROBOT_HOME, or a `LeRobotDataset`."""
Sources: TypeAlias = Source | Sequence[Source | tuple[str, Source]] | Mapping[str, Source]


@dataclass(frozen=True)
class NamedSources:
    """The sources of a request, as given; `names` are None where the folders' own will do.

    `episodes` are those that a source was opened with; None where that is all of them.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...] | None
    episodes: tuple[tuple[int, ...] | None, ...]

    def followed_by(self, others: "NamedSources") -> "NamedSources":
        """Return these sources and others; where some have names, the others' folders give theirs."""
        names = None
        if self.names or others.names:
            names = tuple(name for some in (self, others) for name in some.names or map(_folder, some.paths))
        return NamedSources((*self.paths, *others.paths), names, (*self.episodes, *others.episodes))


def name_sources(sources: Sources, *, partly: bool = False) -> NamedSources:
    """Return the sources in order, whether one, a list, (name, path) pairs or a mapping was given.

    Raises:
        RequestError: for datasets that are open with some of their episodes only, unless taken `partly`.
    """
    if isinstance(sources, str | Path | OpenedDataset):
        sources = [sources]
    pairs = list(sources.items() if isinstance(sources, Mapping) else map(_pair, sources))
    episodes = tuple(_opened_episodes(source) for _, source in pairs)
    if not partly and any(some is not None for some in episodes):
        raise RequestError(
            "a dataset is open with some of its episodes only", hint="merge it by itself first"
        )
    paths = tuple(_path(source) for _, source in pairs)
    if all(name is None for name, _ in pairs):
        return NamedSources(paths, None, episodes)
    names = tuple(
        _folder(path) if name is None else name for (name, _), path in zip(pairs, paths, strict=True)
    )
    return NamedSources(paths, names, episodes)


def _pair(source: Source | tuple[str, Source]) -> tuple[str | None, Source]:
    return source if isinstance(source, tuple) else (None, source)


def _path(source: Source) -> str:
    return str(source.root if isinstance(source, OpenedDataset) else source)


def _opened_episodes(source: Source) -> tuple[int, ...] | None:
    some = source.episodes if isinstance(source, OpenedDataset) else None
    return None if some is None else tuple(some)


def output_folder(out: PathLike) -> Path:
    """Return the absolute path of an output.

    Raises:
        RequestError: where it has no name, or one that could not be read back.
    """
    if not str(out):
        raise RequestError("the output has no name", hint="-o FOLDER")
    path = Path(out).expanduser().absolute()
    if formats.is_misread_by_globs(str(path)):
        raise RequestError(
            "a path with a backslash and one of *?[ cannot be read back", hint="another -o", path=path
        )
    return path


def _folder(path: str) -> str:
    return Path(path).name
