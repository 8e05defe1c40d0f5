"""What a caller asks for, made plain: the sources, the options, and the command as one line of text."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypedDict

from lecompose.errors import RequestError
from lecompose.formats import Limits
from lecompose.run import Progress, Silent

PathLike: TypeAlias = str | Path
Sources: TypeAlias = PathLike | Sequence[PathLike | tuple[str, PathLike]] | Mapping[str, PathLike]

ROW_GROUPS = ("episode", "packed")


class Options(TypedDict, total=False):
    """What every operation that writes takes besides its own arguments.

    Units: `data_mb` and `video_mb` in MiB a file; `memory` as in "4GB".
    """

    robot_type: str | None
    data_mb: float
    video_mb: float
    chunk_files: int
    row_groups: str
    reencode: bool
    overwrite: bool
    dry_run: bool
    threads: int | None
    memory: str | None
    progress: Progress | None


@dataclass(frozen=True)
class Settings:
    """`Options` with their defaults.

    Errors: RequestError for values that are none; TypeError for an unknown option.
    """

    robot_type: str | None = None
    data_mb: float = Limits.data_mb
    video_mb: float = Limits.video_mb
    chunk_files: int = Limits.chunk_files
    row_groups: str = "episode"
    reencode: bool = True
    overwrite: bool = False
    dry_run: bool = False
    threads: int | None = None
    memory: str | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.row_groups not in ROW_GROUPS:
            raise RequestError(f'row groups "{self.row_groups}": one of {", ".join(ROW_GROUPS)} is needed')
        for name in ("data_mb", "video_mb", "chunk_files"):
            if not 0 < getattr(self, name) < float("inf"):
                raise RequestError(f"{name} is {getattr(self, name)}; a number above 0 is needed")

    @property
    def limits(self) -> Limits:
        return Limits(data_mb=self.data_mb, video_mb=self.video_mb, chunk_files=self.chunk_files)

    @property
    def told(self) -> Progress:
        return self.progress or Silent()


@dataclass(frozen=True)
class Named:
    """The sources of a request, as given; `names` are None where the folders' own will do."""

    paths: tuple[str, ...]
    names: tuple[str, ...] | None


def named(sources: Sources) -> Named:
    """The sources in order, whatever way they were given: one, a list, (name, path) pairs, or a mapping."""
    if isinstance(sources, str | Path):
        sources = [sources]
    pairs = sources.items() if isinstance(sources, Mapping) else map(_pair, sources)
    listed = [(name, str(path)) for name, path in pairs]
    if all(name is None for name, _ in listed):
        return Named(tuple(path for _, path in listed), None)
    names = tuple(Path(path).name if name is None else name for name, path in listed)
    return Named(tuple(path for _, path in listed), names)


def _pair(source: PathLike | tuple[str, PathLike]) -> tuple[str | None, PathLike]:
    return source if isinstance(source, tuple) else (None, source)


def destination(out: PathLike) -> Path:
    """Errors: RequestError where the output has no name."""
    if not str(out):
        raise RequestError("the output has no name. Try: -o FOLDER")
    return Path(out).expanduser().absolute()


# The command ------------------------------------------------------------------------------------

_RECORDED = ("robot_type", "data_mb", "video_mb", "chunk_files", "row_groups")


def command(
    verb: str,
    sources: Named,
    out: PathLike,
    settings: Settings,
    arguments: Iterable[tuple[str, object]] = (),
    *,
    first: Sequence[str] = (),
) -> str:
    """The request as a shell line that makes the same outputs again; sources as they were given.

    Of the output only its name is told: where it lay says nothing, and equal requests write equal bytes.
    `arguments` are option and value; None and False are left out, True is the bare option. `first` stands
    before the sources.
    """
    names = sources.names or [None] * len(sources.paths)
    given = [
        path if name is None else f"{name}={path}" for name, path in zip(names, sources.paths, strict=True)
    ]
    words = ["lecompose", verb, *first, *given, "-o", destination(out).name]
    options = [(f"--{n.replace('_', '-')}", getattr(settings, n)) for n in _RECORDED if _differs(settings, n)]
    for option, value in [*arguments, *options, ("--no-reencode", not settings.reencode)]:
        if value is not None and value is not False:
            words += [option] if value is True else [option, str(value)]
    return shlex.join(words)


def _differs(settings: Settings, name: str) -> bool:
    return bool(getattr(settings, name) != getattr(Settings, name))
