"""The public face: one function an operation, with the argument names of the command line."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import pyarrow as pa

from lecompose.api.datasets import Datasets
from lecompose.api.edits import edit_features as edit_features
from lecompose.api.edits import edit_info as edit_info
from lecompose.api.edits import edit_tasks as edit_tasks
from lecompose.api.edits import repair as repair
from lecompose.checks import Finding, examine
from lecompose.composition import plan
from lecompose.composition.destination import Destinations, several_destinations, single_destination
from lecompose.composition.pipeline import Request, open_one, refuse_broken, run_request, start_engine
from lecompose.composition.plan.episode_lists import Episodes
from lecompose.composition.plan.split_parts import SplitPart, separate_fractions
from lecompose.composition.report import Report
from lecompose.composition.request import (
    Options,
    PathLike,
    Settings,
    Source,
    Sources,
    name_sources,
    output_folder,
    record_command,
)
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.query_views import Views, open_views
from lecompose.dataset.summary import Summary, summarise
from lecompose.errors import RequestError
from lecompose.statistics.of_dataset import survey

if TYPE_CHECKING:
    from typing import overload
else:
    # typing's own keeps this module for ever, and DuckDB with it, which beside torch complains at exit.
    def overload(function):
        return function


P = TypeVar("P")


def merge(
    sources: Sources,
    *,
    out: PathLike,
    episodes: Mapping[str, Episodes] = MappingProxyType({}),
    **options: Unpack[Options],
) -> Report:
    """The report of merging `sources`, in the order given, into one v3.0 dataset at `out`.

    Sources are folders, or repo ids under $HF_LEROBOT_HOME, of any format version, or `LeRobotDataset`s; a
    mapping gives them names. `episodes` are those that are taken of the source of a name, "0,3:7" (3 to 6) or
    integers, of others all. Every frame, state, task and timestamp is the source's; videos are copied, not
    decoded.

    Errors: FeatureMismatch with every difference between the sources; SourceError, MediaError with every
    unusable file; OutputExists, OutputUnwritable; VerifyError. After any of them `out` is as it was.
    """
    given, settings = name_sources(sources, partly=True), Settings(**options)
    to = single_destination(output_folder(out))
    taken = {name: _held(said) for name, said in episodes.items()}

    def fill(catalog: Catalog) -> tuple[plan.Notes, Destinations]:
        pairs = zip(catalog.sources, given.episodes, strict=True)
        some = {source.name: numbers for source, numbers in pairs if numbers is not None} | taken
        return plan.merge(catalog, output=to.root.name, episodes=some), to

    names = given.names or [Path(path).name for path in given.paths]
    opened = [(name, n) for name, n in zip(names, given.episodes, strict=True) if n and name not in taken]
    arguments = [("--episodes", f"{name}={_listed(said)}") for name, said in [*opened, *taken.items()]]
    text = record_command("merge", given, out, settings, arguments)
    return run_request(Request(given, to, fill, settings, text))


def delete(source: Source, *, out: PathLike, episodes: Episodes, **options: Unpack[Options]) -> Report:
    """The report of copying `source` to `out` without some episodes: "0,3:7" (3 to 6), or integers.

    Errors: UnknownEpisode naming all that are not there; otherwise as `merge`.
    """
    given, settings = name_sources(source), Settings(**options)
    to = single_destination(output_folder(out))
    episodes = episodes if isinstance(episodes, str) else list(episodes)

    def fill(catalog: Catalog) -> tuple[plan.Notes, Destinations]:
        return plan.delete(catalog, output=to.root.name, episodes=episodes), to

    text = record_command("delete", given, out, settings, [("--episodes", _listed(episodes))])
    return run_request(Request(given, to, fill, settings, text))


def filter(
    sources: Sources,
    *,
    out: PathLike,
    where: str | None = None,
    where_frames: str | None = None,
    **options: Unpack[Options],
) -> Report:
    """The report of copying to `out` the episodes for which SQL predicates are true.

    `where` is about a row of the relation `episodes`, as in "length > 100 and task ilike '%cup%'";
    `where_frames` aggregates an episode's rows of `frames`, as in "max(abs(action[1])) < 2.5".
    Errors: QueryError for a predicate that is none; EmptyOutput where no episode passes; else as `merge`.
    """
    given, settings = name_sources(sources), Settings(**options)
    to = single_destination(output_folder(out))

    def fill(catalog: Catalog) -> tuple[plan.Notes, Destinations]:
        with open_views(catalog) as views:
            return plan.filter(
                catalog, views, output=to.root.name, where=where, where_frames=where_frames
            ), to

    arguments = [("--where", where), ("--where-frames", where_frames)]
    return run_request(
        Request(given, to, fill, settings, record_command("filter", given, out, settings, arguments))
    )


def sort(sources: Sources, *, out: PathLike, by: str, **options: Unpack[Options]) -> Report:
    """The report of copying every episode to `out` in the order of SQL terms, as in "task, length desc".

    Errors: QueryError for terms that are none; otherwise as `merge`.
    """
    given, settings = name_sources(sources), Settings(**options)
    to = single_destination(output_folder(out))

    def fill(catalog: Catalog) -> tuple[plan.Notes, Destinations]:
        with open_views(catalog) as views:
            return plan.sort(catalog, views, output=to.root.name, by=by), to

    return run_request(
        Request(given, to, fill, settings, record_command("sort", given, out, settings, [("--by", by)]))
    )


def sample(
    sources: Sources,
    *,
    out: PathLike,
    episodes: int | None = None,
    seed: int | str = 0,
    by: str | None = None,
    **options: Unpack[Options],
) -> Report:
    """The report of copying so many episodes, drawn and ordered by the seed, to `out`; None: all, shuffled.

    `by` is an SQL expression over `episodes`, as in "task": each of its strata is drawn from in proportion,
    and at least once where the number allows.
    Errors: RequestError for more episodes than there are; QueryError; otherwise as `merge`.
    """
    given, settings = name_sources(sources), Settings(**options)
    to = single_destination(output_folder(out))

    def fill(catalog: Catalog) -> tuple[plan.Notes, Destinations]:
        with _views(catalog, by) as views:
            return plan.sample(catalog, views, output=to.root.name, episodes=episodes, seed=seed, by=by), to

    arguments = [("--episodes", episodes), ("--seed", seed), ("--by", by)]
    return run_request(
        Request(given, to, fill, settings, record_command("sample", given, out, settings, arguments))
    )


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
    """The report of dealing the episodes out to the parts `into`, each a dataset in the folder `out`.

    Parts are fractions (0.8, "4/5", "80%") or episodes of the one source ("0:40", [3, 5]). Counts of
    fractions are exact by largest remainder; a rest below 1 is left out. Which episodes is drawn by the seed,
    or with `in_order` the first ones; inside a part they keep their order. `by` is an SQL expression over
    `episodes`, as in "task", whose strata are dealt out alike.
    Errors: RequestError for parts that overlap or sum to over 1; UnknownEpisode; EmptyOutput for a part
    without an episode; QueryError; otherwise as `merge`.
    """
    given, settings = name_sources(sources), Settings(**options)
    to = several_destinations(output_folder(out), list(into))
    into = {part: _held(said) for part, said in into.items()}
    shares, numbers = separate_fractions(into)

    def fill(catalog: Catalog) -> tuple[plan.Notes, Destinations]:
        if numbers:
            return plan.split_episodes(catalog, into=numbers), to
        with _views(catalog, by) as views:
            return plan.split(catalog, views, into=shares, seed=None if in_order else seed, by=by), to

    arguments: list[tuple[str, object]] = [
        ("--into", f"{part}={_listed(said)}") for part, said in into.items()
    ]
    if shares:
        arguments += [("--by", by), ("--in-order", in_order), ("--seed", None if in_order else seed)]
    return run_request(
        Request(given, to, fill, settings, record_command("split", given, out, settings, arguments))
    )


def compose(sql: str, sources: Sources, *, out: PathLike, **options: Unpack[Options]) -> Report:
    """The report of writing what one SELECT over `episodes`, `frames`, `tasks` … picks, in its order.

    It returns `src_dataset` and `src_episode`, and with `out_dataset` one of several outputs for each row:
    each is then a dataset of that name in the folder `out`. An episode may be picked more than once.
    Errors: QueryError for SQL that DuckDB refuses or whose columns are no plan; UnknownEpisode; EmptyOutput;
    otherwise as `merge`.
    """
    given, settings = name_sources(sources), Settings(**options)
    root = output_folder(out)

    def fill(catalog: Catalog) -> tuple[plan.Notes, Destinations]:
        with open_views(catalog) as views:
            notes, outputs = plan.compose(catalog, views, output=root.name, sql=sql)
        return notes, single_destination(root) if outputs is None else several_destinations(root, outputs)

    text = record_command("compose", given, out, settings, first=[sql])
    return run_request(Request(given, Destinations(root, {}), fill, settings, text))


@overload
def stats(
    source: Source, *, out: None = None, images: bool = False, **options: Unpack[Options]
) -> dict[str, Any]: ...


@overload
def stats(source: Source, *, out: PathLike, images: bool = False, **options: Unpack[Options]) -> Report: ...  # noqa: F811


def stats(  # noqa: F811
    source: Source, *, out: PathLike | None = None, images: bool = False, **options: Unpack[Options]
) -> dict[str, Any] | Report:
    """The statistics of a dataset, computed from all its frames, as they stand in meta/stats.json.

    With `out` the report of copying it there with all statistics computed anew, also those of episodes.
    With `images` pictures are decoded, sampled as LeRobot samples them; without, a copy keeps what its
    source says of them, and a dict leaves them out.
    Errors: as `merge`; MediaError for pictures that cannot be decoded.
    """
    given, settings = name_sources(source), Settings(**options)
    if len(given.paths) != 1:
        raise RequestError(f"stats takes one dataset, {len(given.paths)} are given", hint="merge them first")
    wanted = replace(settings.statistics, carried=False, pictures=images)
    if out is None:
        with open_one(given.paths[0], settings.threads, settings.memory) as (catalog, scratch):
            refuse_broken(catalog)
            return survey(catalog, wanted, scratch=scratch, progress=settings.told)
    to = single_destination(output_folder(out))

    def fill(catalog: Catalog) -> tuple[plan.Notes, Destinations]:
        return plan.merge(catalog, output=to.root.name), to

    text = record_command("stats", given, out, settings, [("--images", images)])
    return run_request(Request(given, to, fill, settings, text, statistics=wanted))


def open(sources: Sources, *, threads: int | None = None, memory: str | None = None) -> Datasets:
    """The datasets, open for `.query(sql)` and `.frames(episodes)`; nothing is written anywhere.

    Errors: SourceError where one cannot be read.
    """
    given = name_sources(sources)
    return Datasets(given.paths, names=given.names, threads=threads, memory=memory)


def query(sources: Sources, sql: str, *, threads: int | None = None, memory: str | None = None) -> pa.Table:
    """The result of one SELECT over `episodes`, `frames`, `tasks`, `clips` …, as an Arrow table in its order.

    Errors: QueryError for SQL that DuckDB refuses, or that would do anything but read the sources.
    """
    with open(sources, threads=threads, memory=memory) as datasets:
        return datasets.query(sql)


def info(source: Source, *, threads: int | None = None, memory: str | None = None) -> Summary:
    """What is in a dataset: format, robot, episodes, tasks, features, cameras, sizes.

    Errors: SourceError where it cannot be read.
    """
    with open_one(name_sources(source).paths[0], threads, memory) as (catalog, _):
        return summarise(catalog)


def check(
    source: Source, *, decode: bool = False, threads: int | None = None, memory: str | None = None
) -> list[Finding]:
    """Everything that is wrong with a dataset, each with code, severity, place and remedy; empty if sound.

    Reads metadata, parquet and video tables, and changes nothing. `decode` decodes every picture as well.
    What cannot be read is a finding too.
    Errors: SourceNotFound for a folder that is no dataset.
    """
    with (
        TemporaryDirectory(prefix="lecompose-") as folder,
        start_engine(Path(folder), threads, memory) as engine,
    ):
        return examine(engine, name_sources(source).paths[0], scratch=Path(folder), decode=decode)


# Helpers ----------------------------------------------------------------------------------------


def _views(catalog: Catalog, by: str | None) -> AbstractContextManager[Views | None]:
    return nullcontext() if by is None else open_views(catalog)


def _held(said: P) -> P | list[Any]:
    """What was said; an iterable as a list, to be read more than once."""
    return list(said) if isinstance(said, Iterable) and not isinstance(said, str) else said


def _listed(said: object) -> str:
    return ",".join(map(str, said)) if isinstance(said, list | tuple) else str(said)
