"""The options of a request, checked and made plain, once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, TypeAlias, TypedDict, Unpack

from lecompose.composition.feature_spec import FeatureSpec, parse_feature_specs
from lecompose.composition.machines import Machines, parse_machines
from lecompose.composition.options import OPTIONS, Kind
from lecompose.concurrency import Progress, Silent
from lecompose.dataset.feature_map import Changes, parse_vector_changes
from lecompose.dataset.user_tables import Tables, UserTable, parse_user_tables
from lecompose.errors import RequestError
from lecompose.formats import QUANTILES, Limits
from lecompose.statistics.options import StatsOptions

Pairs: TypeAlias = Mapping[str, str] | Iterable[str | tuple[str, str]]
"""{"old": "new"}, [("old", "new")], or ["old=new"] as on the command line."""
Words: TypeAlias = tuple[tuple[str, object], ...]
"""Flags and their values; None and False are left out, True is the bare flag."""

# The order in which a command records its options: inside a group as in the table.
_RECORDED = (
    (Kind.TEXT, Kind.NUMBER, Kind.COUNT, Kind.CHOICE),
    (Kind.NAMES,),
    (Kind.TABLES,),
    (Kind.PAIRS,),
    (Kind.QUANTILES,),
    (Kind.SWITCH,),
)


class Options(TypedDict, total=False):
    """What every operation that writes takes besides its own arguments: the table, for type checkers.

    `with_tables` are tables of yours that SQL may ask beside ours: {"labels": "labels.csv"}, parquet or JSON
    lines, a pyarrow.Table, a DataFrame. `fps` is the output's rate, of which each source's is a whole
    multiple: frames between are left out, and videos are encoded again. `remove` leaves features or
    cameras out, "wrist" or, of one source, "a:wrist". `rename` gives them another name, {"old": "new"}, or
    {"a:old": "new"} in the source "a". `add` makes new ones,
    {"next.reward:float32": SQL over a frame and its episode}; without a dtype the SQL's type decides.
    `set`, `take` and `pad` give vectors other dimensions, counted from 1: {"action[6]": "action[6] * 100"},
    {"action": "1,3,5:7"} or [1, 3, 5], {"action": 7}, or {"action": "7:0.5"} for another value than 0.
    `features` is what becomes of those that not all sources have: "same" refuses them, "common" leaves them
    out, "union" keeps them, and the frames of a source without are filled with "null" or "zero" (`fill`).
    LeRobot reads null as None, of arrays as NaN; torch cannot batch None. `cast` gives a feature a dtype that
    need not hold every value, {"action": "float32"}: digits are lost, a number out of range is refused.
    With `skip_broken` what can be saved of damaged sources is taken, and the report lists what was not.
    `quantiles` are those that statistics hold, as "0.05,0.5" or [0.05, 0.5]. Without `concatenate_data` each
    data file of a source becomes one of the output, without `concatenate_videos` each video file does.
    With `link` a video file that goes whole into the output is hard-linked, where that can be.
    Columns are copied as they are encoded where they can be; `rewrite_data` encodes all of them again.
    `runner` is who carries the jobs out: "threads" of this process, "ray", "ray://HOST:PORT", or "slurm",
    with options of sbatch as `slurm="partition=cpu time=2:00:00"`; the call then returns when the jobs are
    submitted, with `wait` when the output is in place.
    Units: `data_mb` and `video_mb` in MiB a file; `memory` as in "4GB".
    """

    with_tables: Tables
    robot_type: str | None
    fps: float | str | None
    remove: str | Sequence[str]
    rename: Pairs
    add: Pairs
    set: Pairs
    take: Pairs | Mapping[str, str | Sequence[int]]
    pad: Pairs | Mapping[str, str | int]
    features: str
    fill: str
    cast: Pairs
    task_column: str | Sequence[str]
    data_mb: float
    video_mb: float
    chunk_files: int
    concatenate_data: bool
    concatenate_videos: bool
    link: bool
    row_groups: str
    rewrite_data: bool
    reencode: bool
    quantiles: str | Sequence[float]
    skip_broken: bool
    overwrite: bool
    dry_run: bool
    threads: int | None
    memory: str | None
    runner: str | None
    slurm: str | None
    wait: bool
    progress: Progress | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a request wants of every output, from its options.

    `tables` are the user's own. `recorded` are those options that are not the default, as words of a command;
    `unrecorded` are those of a single run. `machines` carry the jobs out. `retime` is the rate at which
    every frame is counted; `keep_undeclared` keeps columns of damaged sources that info.json does not
    declare. Units: rates in frames a second.
    """

    tables: tuple[UserTable, ...]
    robot_type: str | None
    fps: Fraction | None
    changes: Changes
    task_columns: Mapping[str, bool]
    new_features: tuple[FeatureSpec, ...]
    limits: Limits
    row_groups: str
    rewrite_data: bool
    statistics: StatsOptions
    reencode: bool
    skip_broken: bool
    overwrite: bool
    dry_run: bool
    threads: int | None
    memory: str | None
    progress: Progress
    machines: Machines
    recorded: Words
    unrecorded: Words
    retime: Fraction | None = None
    keep_undeclared: bool = False


def parse_options(**options: Unpack[Options]) -> Settings:
    """Return the settings that options ask for, those that are not given being the table's defaults.

    Raises:
        RequestError: for values that an option cannot take.
        TypeError: for an option that does not exist.
    """
    given: dict[str, Any] = {option.name: option.default for option in OPTIONS}
    for name in options:
        if name not in given:
            raise TypeError(f"there is no option {name!r}")
    given |= options
    _refuse_other_choices(given)
    for name in ("remove", "task_column"):
        said = [given[name]] if isinstance(given[name], str) else given[name]
        given[name] = tuple(dict.fromkeys(said))
    given["take"] = _spell_lists(given["take"])
    for option in OPTIONS:
        if option.kind is Kind.PAIRS:
            given[option.name] = parse_pairs(given[option.name], option.name)
    quantiles = name_quantiles(given["quantiles"])
    given["with_tables"] = parse_user_tables(given["with_tables"])
    new_features = parse_feature_specs(given["add"])
    fps = None if given["fps"] is None else parse_rate(given["fps"], "--fps")
    _refuse_unusable(given, fps, new_features)
    return Settings(
        tables=given["with_tables"],
        robot_type=given["robot_type"],
        fps=fps,
        changes=Changes(
            **{name: given[name] for name in ("remove", "rename", "features", "fill", "cast")},
            vectors=parse_vector_changes(given["set"], given["take"], given["pad"]),
        ),
        task_columns=_parse_task_columns(given["task_column"]),
        new_features=new_features,
        limits=Limits(
            **{name: given[name] for name in ("data_mb", "video_mb", "chunk_files")},
            concatenate_data=given["concatenate_data"],
            concatenate_videos=given["concatenate_videos"],
            link_videos=given["link"],
        ),
        row_groups=given["row_groups"],
        rewrite_data=given["rewrite_data"],
        statistics=StatsOptions(quantiles),
        reencode=given["reencode"],
        skip_broken=given["skip_broken"],
        overwrite=given["overwrite"],
        dry_run=given["dry_run"],
        threads=given["threads"],
        memory=given["memory"],
        progress=given["progress"] or Silent(),
        machines=parse_machines(given["runner"], given["slurm"], wait=given["wait"]),
        recorded=tuple(_record(given | {"quantiles": quantiles})),
        unrecorded=tuple((f"--{name}", given[name]) for name in ("overwrite", "threads", "memory")),
    )


def _spell_lists(said: Pairs | Mapping[str, str | Sequence[int]]) -> Pairs:
    """Return pairs whose right sides are text; lists of numbers may stand there in Python."""
    if not isinstance(said, Mapping):
        return said
    return {k: v if isinstance(v, str) else ",".join(map(str, v)) for k, v in said.items()}


def _parse_task_columns(said: Iterable[str]) -> dict[str, bool]:
    """Return whether each feature holds task numbers, as "name" or "name=no" says."""
    return {name.removesuffix("=no"): not name.endswith("=no") for name in said}


def _refuse_other_choices(given: Mapping[str, Any]) -> None:
    for option in OPTIONS:
        said = given[option.name]
        if option.choices and said not in option.choices:
            name = option.name.replace("_", " ")
            raise RequestError(f'{name} "{said}": one of {", ".join(option.choices)} is needed')


def _refuse_unusable(
    given: Mapping[str, Any], fps: Fraction | None, new_features: tuple[FeatureSpec, ...]
) -> None:
    if given["robot_type"] is not None and not given["robot_type"].strip():
        raise RequestError("the robot has no name", hint="--robot-type with one")
    if fps is not None and (new_features or given["set"]):
        option = "--add" if new_features else "--set"
        raise RequestError(
            f"{option} computes from the sources' frames, and --fps leaves some of them out",
            hint="one after the other, in the order that is meant",
        )
    for name in ("data_mb", "video_mb", "chunk_files"):
        if not 0 < given[name] < float("inf"):
            raise RequestError(f"{name} is {given[name]}; a number above 0 is needed")


def _record(given: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the words that ask for the same outputs: flags and values of what is not the default."""
    recorded = [option for option in OPTIONS if option.is_recorded]
    for option in (option for kinds in _RECORDED for option in recorded if option.kind in kinds):
        value = given[option.name]
        if option.kind is Kind.NAMES:
            yield from ((option.flag, name) for name in value)
        elif option.kind is Kind.TABLES:
            yield from ((option.flag, table.word) for table in value)
        elif option.kind is Kind.PAIRS:
            yield from ((option.flag, f"{left}={right}") for left, right in value)
        elif option.kind is Kind.QUANTILES:
            if value != QUANTILES:
                yield option.flag, ",".join(map(str, value.values()))
        elif option.kind is Kind.SWITCH:
            yield option.flag, bool(value) != option.default
        elif value != option.default:
            yield option.flag, value


def parse_pairs(said: Pairs, option: str) -> tuple[tuple[str, str], ...]:
    """Return what was given as pairs, in order.

    Raises:
        RequestError: for all words that are not pairs, and all left sides with more than one right side.
    """
    if isinstance(said, str):
        said = [said]
    items = said.items() if isinstance(said, Mapping) else said
    found = [_split(item) if isinstance(item, str) else (str(item[0]), str(item[1])) for item in items]
    problems = [f'"{left}": not left=right' for left, right in found if not (left and right)]
    twice = Counter(left for left, _ in dict.fromkeys(found))
    problems += [f'"{left}" is given {count} times' for left, count in twice.items() if count > 1]
    if problems:
        raise RequestError(f"--{option} needs pairs, each left side once", parts=dict.fromkeys(problems))
    return tuple(dict.fromkeys(found))


def _split(word: str) -> tuple[str, str]:
    left, _, right = word.partition("=")
    return left, right


def parse_rate(said: float | str, option: str) -> Fraction:
    """Return a rate, "30000/1001" too, as a fraction. Raises RequestError for what is not a rate."""
    try:
        found = Fraction(str(said)).limit_denominator(100_000)
    except (ValueError, ZeroDivisionError):
        found = Fraction(0)
    if found <= 0:
        raise RequestError(f"{option} {said}: a number of frames per second above 0 is needed")
    return found


def name_quantiles(said: str | Iterable[float]) -> dict[str, float]:
    """Return the quantiles asked for, by the names that LeRobot gives them, in ascending order.

    Raises:
        RequestError: for all numbers that have no such name: only hundredths below 1 have one.
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
