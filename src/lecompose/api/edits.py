"""Public functions that copy one dataset with something changed or repaired."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace as with_
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias, Unpack, cast

import numpy as np

from lecompose.api.where_to import decide_where
from lecompose.composition import plan
from lecompose.composition.computed_features import Values
from lecompose.composition.destination import Destinations, single_destination
from lecompose.composition.episode_columns import EpisodeColumnEdits
from lecompose.composition.feature_spec import parse_feature_specs
from lecompose.composition.missing_tasks import lacks_tasks, number_tasks
from lecompose.composition.named_sources import PathLike, Source, name_sources, output_folder
from lecompose.composition.pipeline import run_request
from lecompose.composition.plan import Plan
from lecompose.composition.plan.relabel_tasks import TaskChanges, relabel_tasks
from lecompose.composition.report import Report
from lecompose.composition.request import MakePlan, Request
from lecompose.composition.settings import Options, Pairs, parse_options, parse_pairs, parse_rate
from lecompose.dataset.catalog import Catalog, locate
from lecompose.dataset.query_views import open_views
from lecompose.errors import RequestError

UNDECLARED = ("drop", "declare")
EpisodeTasks: TypeAlias = Mapping[int, str] | Mapping[str, str] | Mapping[int | str, str] | Iterable[str]
"""{5: "wave"}, {"0,3:7": "wave"}, or ["0,3:7=wave"] as on the command line."""


def edit_tasks(
    source: Source,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    task: str | None = None,
    episodes: EpisodeTasks = (),
    replace: Pairs = (),
    sql: str | None = None,
    **options: Unpack[Options],
) -> Report:
    """Copy `source` to `out`, or replace it, with other tasks; return the report.

    `task` is for every frame; `replace` gives tasks another text wherever they stand, {"old": "new"}; `sql`
    is an expression over `episodes`, asked for each task of each episode, as in "trim(lower(task))", and
    where it is null the task stays. `episodes` goes before any of these: {5: "wave", "0,3:7": "grasp"}.
    With `task` a dataset may lack its task list.

    Raises:
        RequestError: for tasks that are not there, or more than one of `task`, `replace` and `sql`.
        UnknownEpisode, QueryError: for episodes that are not there, an expression that DuckDB refuses; other
            errors as of `merge`.
    """
    texts = parse_pairs(_spell_episodes(episodes), "episode")
    changes = TaskChanges(task, texts, parse_pairs(replace, "replace"), sql)
    given, to, settings = decide_where(source, out, in_place, options)

    def make_plan(catalog: Catalog) -> Plan:
        made = _every_episode(catalog, to)
        with open_views(catalog) as views:
            return Plan((*made.notes, *relabel_tasks(catalog, views, changes)))

    stand_in = None
    if task is not None and not settings.skip_broken and lacks_tasks(locate(given.paths[0])):
        stand_in = partial(number_tasks, locate(given.paths[0]))
    arguments: list[tuple[str, object]] = [("--task", task), ("--sql", sql)]
    arguments += [("--episode", f"{left}={right}") for left, right in texts]
    arguments += [("--replace", f"{left}={right}") for left, right in changes.replace]
    return run_request(Request("edit tasks", given, to, make_plan, settings, arguments, stand_in=stand_in))


def edit_features(
    source: Source,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    values: Mapping[str, Values] = MappingProxyType({}),
    **options: Unpack[Options],
) -> Report:
    """Copy `source` to `out`, or replace it, with other features; return the report.

    The options `remove`, `rename`, `add`, `cast`, `set`, `take` and `pad` say which ones; a feature that is
    removed and added is computed from what it was. All SQL sees the source's values. Whatever their order,
    features are removed first; of vectors dimensions are set, then taken, then padded; then features are
    renamed and cast, and new ones added. `values` are those of new features, {"next.reward": array}, or with
    what info.json is to say, {"next.reward": (array, {"dtype": "float32", "shape": [1], "names": None})}.
    Shape: an array has a row for each frame, in the order of `index`.

    Raises:
        RequestError: for features that are not there, or where nothing is to change.
        QueryError: for an expression that DuckDB refuses, or a value that its dtype cannot hold; other errors
            as of `merge`.
    """
    given, to, settings = decide_where(source, out, in_place, options)
    changes = settings.changes
    asked = changes.remove or changes.rename or settings.new_features or changes.cast or changes.vectors
    if not (asked or values):
        hint = "--remove, --rename, --add, --cast, --set, --take, --pad"
        raise RequestError("no change of features was given", hint=hint)
    if values and settings.fps is not None:
        raise RequestError(
            "values belong to all frames of the source, and fps leaves some out", hint="one by one"
        )
    # A command cannot hold the values; that they are others makes it another command.
    arguments = [("--values", f"{name}={_digest(said)}") for name, said in values.items()]
    return run_request(Request("edit features", given, to, _copy(to), settings, arguments, values=values))


def _digest(values: Values) -> str:
    numbers, spec = values if isinstance(values, tuple) else (values, {})
    array = np.ascontiguousarray(numbers)
    content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
    return hashlib.sha256(content + repr((array.dtype, array.shape, spec)).encode()).hexdigest()[:16]


def edit_episodes(
    source: Source,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    add: Pairs = (),
    remove: str | Iterable[str] = (),
    allow_null: bool = False,
    **options: Any,
) -> Report:
    """Copy `source` to `out`, or replace it, with other per-episode columns; return the report.

    `add` makes columns, or gives those of the name other values: {"success:bool": SQL over `episodes`};
    without a dtype the SQL's type decides. `remove` drops columns. They stand in meta/episodes, beside
    LeRobot's own; `query`, `filter`, `split` and `sort` read them. Null is a value only with `allow_null`.
    `options` are those of every operation, but for those of features of these names.

    Raises:
        RequestError: for columns that are not there or are LeRobot's, or where nothing is to change.
        QueryError: for an expression that DuckDB refuses, a value that a dtype cannot hold, a null; other
            errors as of `merge`.
    """
    pairs = parse_pairs(add, "add")
    gone = (remove,) if isinstance(remove, str) else tuple(remove)
    if not pairs and not gone:
        raise RequestError("no change of columns was given", hint="--add, --remove")
    given, to, settings = decide_where(source, out, in_place, cast(Options, options))
    edits = EpisodeColumnEdits(parse_feature_specs(pairs), gone, allow_null)
    arguments: list[tuple[str, object]] = [("--add", f"{name}={sql}") for name, sql in pairs]
    arguments += [*(("--remove", name) for name in gone), ("--null", allow_null)]
    return run_request(
        Request("edit episodes", given, to, _copy(to), settings, arguments, episode_columns=edits)
    )


def edit_info(
    source: Source,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    retime: float | str | None = None,
    **options: Unpack[Options],
) -> Report:
    """Copy `source` to `out`, or replace it, with other metadata; return the report.

    The option `robot_type` names the robot. `retime` is the rate at which the frames were really recorded:
    each of them stays, and gets a new time in the data and in the videos.
    Units: `retime` in frames a second.

    Raises:
        RequestError: where nothing is to change; other errors as of `merge`.
    """
    given, to, settings = decide_where(source, out, in_place, options)
    if retime is None and settings.robot_type is None and settings.fps is None:
        raise RequestError("no change was given", hint="--robot-type, --retime")
    if retime is not None and settings.fps is not None:
        raise RequestError("--retime keeps every frame, --fps leaves some out", hint="one after the other")
    fps = None if retime is None else parse_rate(retime, "--retime")
    settings = with_(settings, retime=fps)
    return run_request(Request("edit info", given, to, _copy(to), settings, [("--retime", retime)]))


def _spell_episodes(episodes: EpisodeTasks) -> Pairs:
    """Return tasks by episodes, the episodes as text."""
    return {str(k): text for k, text in episodes.items()} if isinstance(episodes, Mapping) else episodes


def repair(source: Source, *, out: PathLike, undeclared: str = "drop", **options: Unpack[Options]) -> Report:
    """Copy what can be saved of a damaged dataset to `out`, which is sound then; return the report.

    Episodes whose rows or pictures are not all there are left out and listed in `report.dropped`; lengths,
    pointers, totals, tasks and numbering are made true, and `report.notes` says what was not. Columns of the
    data files that info.json does not declare are dropped, or kept with `undeclared` "declare".

    Raises:
        SourceBroken: where nothing can be saved.
        SourceNotFound: for a folder that is not a dataset; other errors as of `merge`.
    """
    if undeclared not in UNDECLARED:
        raise RequestError(f'undeclared "{undeclared}": one of {", ".join(UNDECLARED)} is needed')
    # What outputs remember is `repair`, which says so.
    options["skip_broken"] = False
    given, to = name_sources(source), single_destination(output_folder(out))
    settings = with_(parse_options(**options), skip_broken=True, keep_undeclared=undeclared == "declare")
    arguments = [("--undeclared", undeclared if undeclared != UNDECLARED[0] else None)]
    return run_request(Request("repair", given, to, _copy(to), settings, arguments))


def _copy(to: Destinations) -> MakePlan:
    return partial(_every_episode, to=to)


def _every_episode(catalog: Catalog, to: Destinations) -> Plan:
    """Plan a copy of the one dataset."""
    return plan.merge(catalog, output=to.root.name)
