"""What a caller asks for, made plain: the sources, the options, and the command as one line of text."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeAlias, TypedDict, runtime_checkable

from lecompose.composition.computed_features import FeatureSpec, parse_feature_specs
from lecompose.concurrency import Progress, Silent
from lecompose.dataset.feature_map import FILLS, SHARED, Changes
from lecompose.errors import RequestError
from lecompose.formats import QUANTILES, Limits
from lecompose.statistics.exact import Wanted


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

Pairs: TypeAlias = Mapping[str, str] | Iterable[str | tuple[str, str]]
"""{"old": "new"}, [("old", "new")], or ["old=new"] as on the command line."""

ROW_GROUPS = ("episode", "packed")


class Options(TypedDict, total=False):
    """What every operation that writes takes besides its own arguments.

    `fps` is the output's rate, of which each source's is a whole multiple: frames between are left out, and
    videos encoded anew. `remove` leaves features or cameras out, "wrist" or, of one source, "a:wrist".
    `rename` gives them another name, {"old": "new"}, or {"a:old": "new"} in the source "a". `add` makes new
    ones, {"next.reward:float32": SQL over a frame and its episode}; without a dtype the SQL's type decides.
    `features` is what becomes of those that not all sources have: "same" refuses them, "common" leaves them
    out, "union" keeps them, and the frames of a source without are filled with "null" or "zero" (`fill`).
    LeRobot reads null as None, of arrays as NaN; torch cannot batch None. `cast` gives a feature a dtype that
    need not hold every value, {"action": "float32"}: digits are lost, a number out of range is refused.
    With `skip_broken` what can be saved of damaged sources is taken, and the report tells what was not.
    `quantiles` are those that statistics hold, as "0.05,0.5" or [0.05, 0.5]. Without `concatenate_data` each
    data file of a source becomes one of the output, without `concatenate_videos` each video file does.
    Columns are copied as they are encoded where they can be; `rewrite_data` writes all of them anew.
    Units: `data_mb` and `video_mb` in MiB a file; `memory` as in "4GB".
    """

    robot_type: str | None
    fps: float | str | None
    remove: str | Sequence[str]
    rename: Pairs
    add: Pairs
    features: str
    fill: str
    cast: Pairs
    data_mb: float
    video_mb: float
    chunk_files: int
    concatenate_data: bool
    concatenate_videos: bool
    row_groups: str
    rewrite_data: bool
    quantiles: str | Sequence[float]
    reencode: bool
    skip_broken: bool
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
    fps: float | str | None = None
    remove: str | Sequence[str] = ()
    rename: Pairs = ()
    add: Pairs = ()
    features: str = "same"
    fill: str = "null"
    cast: Pairs = ()
    data_mb: float = Limits.data_mb
    video_mb: float = Limits.video_mb
    chunk_files: int = Limits.chunk_files
    concatenate_data: bool = True
    concatenate_videos: bool = True
    row_groups: str = "episode"
    rewrite_data: bool = False
    quantiles: str | Sequence[float] = tuple(QUANTILES.values())
    reencode: bool = True
    skip_broken: bool = False
    overwrite: bool = False
    dry_run: bool = False
    threads: int | None = None
    memory: str | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("features", SHARED), ("fill", FILLS)):
            if getattr(self, name) not in allowed:
                raise RequestError(f'{name} "{getattr(self, name)}": one of {", ".join(allowed)} is needed')
        removed = [self.remove] if isinstance(self.remove, str) else self.remove
        object.__setattr__(self, "remove", tuple(dict.fromkeys(removed)))
        for name in ("rename", "cast", "add"):
            # Kept as pairs: what was given may be an iterator.
            object.__setattr__(self, name, parse_pairs(getattr(self, name), name))
        if self.row_groups not in ROW_GROUPS:
            raise RequestError(f'row groups "{self.row_groups}": one of {", ".join(ROW_GROUPS)} is needed')
        name_quantiles(self.quantiles)
        if self.robot_type is not None and not self.robot_type.strip():
            raise RequestError("the robot has no name", hint="--robot-type with one")
        if self.rate is not None and self.wishes:
            raise RequestError(
                "--add computes from the sources' frames, and --fps leaves some of them out",
                hint="one after the other, in the order that is meant",
            )
        for name in ("data_mb", "video_mb", "chunk_files"):
            if not 0 < getattr(self, name) < float("inf"):
                raise RequestError(f"{name} is {getattr(self, name)}; a number above 0 is needed")

    @property
    def changes(self) -> Changes:
        """What is to be done with features, and where sources are not alike; but for what is added."""
        return Changes(
            remove=tuple(self.remove),
            rename=parse_pairs(self.rename, "rename"),
            features=self.features,
            fill=self.fill,
            cast=parse_pairs(self.cast, "cast"),
        )

    @property
    def wishes(self) -> tuple[FeatureSpec, ...]:
        """The features that are to be added."""
        return parse_feature_specs(parse_pairs(self.add, "add"))

    @property
    def rate(self) -> Fraction | None:
        """The output's fps, where one was asked for. Units: frames a second."""
        return None if self.fps is None else parse_rate(self.fps, "--fps")

    @property
    def limits(self) -> Limits:
        return Limits(
            data_mb=self.data_mb,
            video_mb=self.video_mb,
            chunk_files=self.chunk_files,
            concatenate_data=self.concatenate_data,
            concatenate_videos=self.concatenate_videos,
        )

    @property
    def statistics(self) -> Wanted:
        return Wanted(name_quantiles(self.quantiles))

    @property
    def told(self) -> Progress:
        return self.progress or Silent()


def parse_pairs(said: Pairs, option: str) -> tuple[tuple[str, str], ...]:
    """What was given as pairs, in order.

    Errors: RequestError for words that are none, all together, and for a left side with two right ones.
    """
    if isinstance(said, str):
        said = [said]
    items = said.items() if isinstance(said, Mapping) else said
    found = [_parted(item) if isinstance(item, str) else (str(item[0]), str(item[1])) for item in items]
    problems = [f'"{left}": not left=right' for left, right in found if not (left and right)]
    twice = Counter(left for left, _ in dict.fromkeys(found))
    problems += [f'"{left}" is given {count} times' for left, count in twice.items() if count > 1]
    if problems:
        raise RequestError(f"--{option} needs pairs, each left side once", parts=dict.fromkeys(problems))
    return tuple(dict.fromkeys(found))


def _parted(word: str) -> tuple[str, str]:
    left, _, right = word.partition("=")
    return left, right


def parse_rate(said: float | str, option: str) -> Fraction:
    """A rate as a fraction, "30000/1001" too. Errors: RequestError for what is none."""
    try:
        found = Fraction(str(said)).limit_denominator(100_000)
    except (ValueError, ZeroDivisionError):
        found = Fraction(0)
    if found <= 0:
        raise RequestError(f"{option} {said}: frames a second, a number above 0, are needed")
    return found


def name_quantiles(said: str | Iterable[float]) -> dict[str, float]:
    """The quantiles asked for, by the names that LeRobot gives them, in ascending order.

    Errors: RequestError for what has no such name, all together: they are hundredths below 1.
    """
    words = [word.strip() for word in said.split(",")] if isinstance(said, str) else [*map(str, said)]
    percents = [_percent(word) for word in words]
    problems = [f'"{word}"' for word, percent in zip(words, percents, strict=True) if percent is None]
    if problems or not words:
        raise RequestError(
            "quantiles are named by two digits, q05 is 0.05", hint="hundredths below 1, not", parts=problems
        )
    return {f"q{n:02d}": n / 100 for n in sorted({p for p in percents if p is not None})}


def _percent(word: str) -> int | None:
    try:
        percent = Decimal(word) * 100
    except InvalidOperation:
        return None
    return int(percent) if percent.is_finite() and percent in range(100) else None


@dataclass(frozen=True)
class NamedSources:
    """The sources of a request, as given; `names` are None where the folders' own will do.

    `episodes` are those that a source was opened with; None where that is all of them.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...] | None
    episodes: tuple[tuple[int, ...] | None, ...]


def name_sources(sources: Sources, *, partly: bool = False) -> NamedSources:
    """The sources in order, whatever way they were given: one, a list, (name, path) pairs, or a mapping.

    Errors: RequestError for datasets that are open with some episodes only, unless taken `partly`.
    """
    if isinstance(sources, str | Path | OpenedDataset):
        sources = [sources]
    pairs = list(sources.items() if isinstance(sources, Mapping) else map(_pair, sources))
    episodes = tuple(_opened_with(source) for _, source in pairs)
    if not partly and any(some is not None for some in episodes):
        raise RequestError(
            "a dataset is open with some of its episodes only", hint="merge it by itself first"
        )
    paths = tuple(_path(source) for _, source in pairs)
    if all(name is None for name, _ in pairs):
        return NamedSources(paths, None, episodes)
    names = tuple(
        Path(path).name if name is None else name for (name, _), path in zip(pairs, paths, strict=True)
    )
    return NamedSources(paths, names, episodes)


def _pair(source: Source | tuple[str, Source]) -> tuple[str | None, Source]:
    return source if isinstance(source, tuple) else (None, source)


def _path(source: Source) -> str:
    return str(source.root if isinstance(source, OpenedDataset) else source)


def _opened_with(source: Source) -> tuple[int, ...] | None:
    some = source.episodes if isinstance(source, OpenedDataset) else None
    return None if some is None else tuple(some)


def output_folder(out: PathLike) -> Path:
    """Errors: RequestError where the output has no name."""
    if not str(out):
        raise RequestError("the output has no name", hint="-o FOLDER")
    return Path(out).expanduser().absolute()


# The command ------------------------------------------------------------------------------------

_RECORDED = ("robot_type", "fps", "features", "fill", "data_mb", "video_mb", "chunk_files", "row_groups")


def record_command(
    verb: str,
    sources: NamedSources,
    out: PathLike | None,
    settings: Settings,
    arguments: Iterable[tuple[str, object]] = (),
    *,
    first: Sequence[str] = (),
) -> str:
    """The request as a shell line that makes the same outputs again; sources as they were given.

    Of the output only its name is told: where it lay says nothing, and equal requests write equal bytes.
    Without one the source is edited in place. `arguments` are option and value; None and False are left out,
    True is the bare option. `first` stands before the sources.
    """
    names = sources.names or [None] * len(sources.paths)
    given = [
        path if name is None else f"{name}={path}" for name, path in zip(names, sources.paths, strict=True)
    ]
    to = ["--in-place"] if out is None else ["-o", output_folder(out).name]
    words = ["lecompose", *verb.split(), *first, *given, *to]
    options = [(f"--{n.replace('_', '-')}", getattr(settings, n)) for n in _RECORDED if _differs(settings, n)]
    options += [("--remove", name) for name in settings.remove]
    for name in ("rename", "add", "cast"):
        options += [
            (f"--{name}", f"{left}={right}") for left, right in parse_pairs(getattr(settings, name), name)
        ]
    quantiles = settings.statistics.quantiles
    if quantiles != QUANTILES:
        options.append(("--quantiles", ",".join(map(str, quantiles.values()))))
    for option, value in [*arguments, *options, *_flags(settings)]:
        if value is not None and value is not False:
            words += [option] if value is True else [option, str(value)]
    return shlex.join(words)


def _flags(settings: Settings) -> list[tuple[str, object]]:
    return [
        ("--no-concatenate-data", not settings.concatenate_data),
        ("--no-concatenate-videos", not settings.concatenate_videos),
        ("--rewrite-data", settings.rewrite_data),
        ("--no-reencode", not settings.reencode),
        ("--skip-broken", settings.skip_broken),
    ]


def _differs(settings: Settings, name: str) -> bool:
    return bool(getattr(settings, name) != getattr(Settings, name))
