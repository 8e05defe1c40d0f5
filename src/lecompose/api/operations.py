"""Public functions that compose a new dataset from episodes of others."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, Unpack

from lecompose.api.where_to import decide_in_place, decide_where
from lecompose.composition import plan
from lecompose.composition.destination import (
    Destinations,
    several_destinations,
    single_destination,
    undecided_destination,
)
from lecompose.composition.named_sources import (
    NamedSources,
    PathLike,
    Source,
    Sources,
    name_sources,
    output_folder,
)
from lecompose.composition.pipeline import run_request
from lecompose.composition.plan import Plan, mixture
from lecompose.composition.plan.episode_lists import Episodes
from lecompose.composition.plan.split_parts import SplitPart, separate_fractions
from lecompose.composition.report import Report
from lecompose.composition.request import MakePlan, Request
from lecompose.composition.settings import Options, parse_options
from lecompose.dataset.catalog import Catalog
from lecompose.errors import RequestError

P = TypeVar("P")


def merge(
    sources: Sources,
    *,
    out: PathLike,
    episodes: Mapping[str, Episodes] = MappingProxyType({}),
    **options: Unpack[Options],
) -> Report:
    """Merge `sources`, in the order given, into one v3.0 dataset at `out`; return the report.

    Sources are folders, or repo ids under $HF_LEROBOT_HOME, of any format version, or `LeRobotDataset`s; a
    mapping gives them names. `episodes` are those that are taken of the source of a name, "0,3:7" (3 to 6) or
    integers; of other sources all are. Every frame, state, task and timestamp is the source's; videos are
    copied, not decoded.

    Raises:
        FeatureMismatch: with every difference between the sources.
        SourceError, MediaError: with every unusable file.
        OutputExists, OutputUnwritable, VerifyError: after any error `out` is as it was.
    """
    given, root = name_sources(sources, partly=True), output_folder(out)
    taken = {name: _keep(said) for name, said in episodes.items()}

    def make_plan(catalog: Catalog) -> Plan:
        some = _list_opened_episodes(given, catalog) | taken
        return plan.merge(catalog, output=root.name, episodes=some)

    names = given.names or [Path(path).name for path in given.paths]
    opened = [(name, n) for name, n in zip(names, given.episodes, strict=True) if n and name not in taken]
    arguments = [("--episodes", f"{name}={_spell(said)}") for name, said in [*opened, *taken.items()]]
    to, settings = single_destination(root), parse_options(**options)
    return run_request(Request("merge", given, to, make_plan, settings, arguments))


def append(
    dataset: Sources,
    sources: Sources,
    *,
    episodes: Mapping[str, Episodes] = MappingProxyType({}),
    **options: Unpack[Options],
) -> Report:
    """Put the episodes of `sources` behind those of `dataset`, in its place; return the report.

    The data and video files of `dataset` are not copied: what takes its place, in one step, goes on using
    them. Sources must match it as those of `merge` do; `episodes` are those that are taken of a source.

    Raises:
        RequestError: for a dataset that cannot be written in its own place.
        FeatureMismatch, SourceError: other errors as of `merge`; after any of them `dataset` is as it was.
    """
    settings = parse_options(**options)
    first, rest = name_sources(dataset), name_sources(sources)
    if len(first.paths) != 1 or not rest.paths:
        raise RequestError("to append, name one dataset and what comes behind it")
    given, to = first.followed_by(rest), decide_in_place(first, settings)
    taken = {name: _keep(said) for name, said in episodes.items()}
    make_plan = partial(plan.merge, output=to.root.name, episodes=taken)
    arguments = [("--episodes", f"{name}={_spell(said)}") for name, said in taken.items()]
    return run_request(Request("append", given, to, make_plan, settings, arguments))


def _list_opened_episodes(given: NamedSources, catalog: Catalog) -> dict[str, Sequence[int]]:
    """Return the episodes that sources were opened with, by name, where these are not all of them."""
    rest = iter(zip(given.paths, given.episodes, strict=True))
    found = [(s.name, next(some for path, some in rest if path == s.given)) for s in catalog.sources]
    return {name: some for name, some in found if some is not None}


def delete(
    source: Source,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    episodes: Episodes,
    **options: Unpack[Options],
) -> Report:
    """Copy `source` to `out`, or replace it, without some episodes, "0,3:7" (3 to 6) or integers.

    Returns the report.

    Raises:
        UnknownEpisode: with all episodes that are not there; other errors as of `merge`.
    """
    given, to, settings = decide_where(source, out, in_place, options)
    episodes = _keep(episodes)
    make_plan = partial(plan.delete, output=to.root.name, episodes=episodes)
    arguments = [("--episodes", _spell(episodes))]
    return run_request(Request("delete", given, to, make_plan, settings, arguments))


def filter(
    sources: Sources,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    where: str | None = None,
    where_frames: str | None = None,
    **options: Unpack[Options],
) -> Report:
    """Copy to `out`, or keep in place, the episodes for which SQL predicates are true; return the report.

    `where` is about a row of the relation `episodes`, as in "length > 100 and task ilike '%cup%'";
    `where_frames` aggregates an episode's rows of `frames`, as in "max(abs(action[1])) < 2.5".

    Raises:
        QueryError: for a predicate that DuckDB refuses.
        EmptyOutput: where no episode passes; other errors as of `merge`.
    """
    given, to, settings = decide_where(sources, out, in_place, options)
    make_plan = partial(plan.filter, output=to.root.name, where=where, where_frames=where_frames)
    arguments = [("--where", where), ("--where-frames", where_frames)]
    return run_request(Request("filter", given, to, make_plan, settings, arguments))


def sort(
    sources: Sources,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    by: str,
    **options: Unpack[Options],
) -> Report:
    """Copy every episode to `out`, or replace the dataset, in the order of SQL terms; return the report.

    `by` are the terms, as in "task, length desc".

    Raises:
        QueryError: for terms that DuckDB refuses; other errors as of `merge`.
    """
    given, to, settings = decide_where(sources, out, in_place, options)
    make_plan = partial(plan.sort, output=to.root.name, by=by)
    return run_request(Request("sort", given, to, make_plan, settings, [("--by", by)]))


def sample(
    sources: Sources,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    episodes: int | None = None,
    seed: int | str = 0,
    by: str | None = None,
    frames: int | None = None,
    shares: Mapping[str, str | float] | None = None,
    repeat: bool = False,
    **options: Unpack[Options],
) -> Report:
    """Copy as many episodes, drawn and ordered by the seed, to `out`; None: all, shuffled. Return the report.

    `by` is an SQL expression over `episodes`, as in "task": each of its strata is drawn from in proportion,
    and at least once where the number allows.

    With `shares`, {"a": 0.7, "b": "30%"}, the whole is a mixture of the sources, of so many `episodes` or
    `frames`; None: the largest for which no episode is needed twice. Counts of episodes are exact by largest
    remainder, of frames as near as whole episodes can be. Episodes `repeat` where a source has too few.

    Raises:
        RequestError: for more episodes than there are; for shares that do not sum to 1.
        QueryError: for an expression that DuckDB refuses; other errors as of `merge`.
    """
    given, to, settings = decide_where(sources, out, in_place, options)
    if not shares:
        if frames is not None or repeat:
            raise RequestError("--frames and --repeat need --share")
        make_plan: MakePlan = partial(plan.sample, output=to.root.name, episodes=episodes, seed=seed, by=by)
    elif by is not None or (episodes is not None and frames is not None):
        raise RequestError("with --share there is no --by, and either --episodes or --frames")
    else:
        make_plan = partial(
            mixture.sample_shares,
            output=to.root.name,
            shares=mixture.parse_shares(shares),
            episodes=episodes,
            frames=frames,
            repeat=repeat,
            seed=seed,
        )
    mixed = [("--share", f"{name}={share}") for name, share in (shares or {}).items()]
    arguments = [
        *(("--episodes", episodes), ("--frames", frames), *mixed, ("--repeat", repeat)),
        *(("--seed", seed), ("--by", by)),
    ]
    return run_request(Request("sample", given, to, make_plan, settings, arguments))


def split(
    sources: Sources,
    *,
    out: PathLike,
    into: Mapping[str, SplitPart],
    seed: int | str = 0,
    by: str | None = None,
    in_order: bool = False,
    **options: Unpack[Options],
) -> Report:
    """Deal the episodes out to the parts `into`, each a dataset in the folder `out`; return the report.

    Parts are fractions (0.8, "4/5", "80%") or episodes of the one source ("0:40", [3, 5]). Counts of
    fractions are exact by largest remainder; a rest below 1 is left out. The seed draws which episodes go
    where, or with `in_order` they are the first ones; inside a part they keep their order. `by` is an SQL
    expression over `episodes`, as in "task", whose strata are dealt out alike.

    Raises:
        RequestError: for parts that overlap or sum to over 1.
        UnknownEpisode, QueryError: for episodes that are not there, for an expression that DuckDB refuses.
        EmptyOutput: for a part without an episode; other errors as of `merge`.
    """
    given, settings = name_sources(sources), parse_options(**options)
    to = several_destinations(output_folder(out), list(into))
    into = {part: _keep(said) for part, said in into.items()}
    fractions, numbers = separate_fractions(into)
    arguments: list[tuple[str, object]] = [
        ("--into", f"{part}={_spell(said)}") for part, said in into.items()
    ]
    make_plan: MakePlan = partial(plan.split_episodes, into=numbers)
    if fractions:
        drawn = None if in_order else seed
        arguments += [("--by", by), ("--in-order", in_order), ("--seed", drawn)]
        make_plan = partial(plan.split, into=fractions, seed=drawn, by=by)
    return run_request(Request("split", given, to, make_plan, settings, arguments))


def compose(sql: str, sources: Sources, *, out: PathLike, **options: Unpack[Options]) -> Report:
    """Write what one SELECT over `episodes`, `frames`, `tasks` … picks, in its order; return the report.

    It returns `src_dataset` and `src_episode`, and with `out_dataset` one of several outputs for each row:
    each is then a dataset of that name in the folder `out`. An episode may be picked more than once.

    Raises:
        QueryError: for SQL that DuckDB refuses, or whose columns do not make a plan.
        UnknownEpisode, EmptyOutput: for episodes that are not there, for no episode; other errors as of
            `merge`.
    """
    given, settings = name_sources(sources), parse_options(**options)
    to = undecided_destination(output_folder(out))
    make_plan = partial(plan.compose, output=to.root.name, sql=sql)
    return run_request(Request("compose", given, to, make_plan, settings, first=(sql,)))


def _single(out: PathLike) -> Destinations:
    return single_destination(output_folder(out))


def _keep(said: P) -> P | list[Any]:
    """Return what was said; an iterable as a list, to be read more than once."""
    return list(said) if isinstance(said, Iterable) and not isinstance(said, str) else said


def _spell(said: object) -> str:
    """Return episodes or a part as the command line has them."""
    return ",".join(map(str, said)) if isinstance(said, list | tuple) else str(said)
