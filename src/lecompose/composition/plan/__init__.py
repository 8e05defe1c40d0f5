"""Operation → the plan: the relation `plan`, one row an output episode, or a piece of it.

    out_dataset, out_episode, piece, src_dataset, src_episode, from_frame, to_frame

The frames [from_frame, to_frame) of the source's episode are taken, all of them by default. An output episode
may be put together of several pieces: then it has a row for each, numbered from 0.
Operations differ only in the `sql/plan/` file that picks episodes and gives each a sort key;
`plan/assign_episode_index`, for pieces `plan/assign_piece_index` or `plan/join_pieces`, alone gives
positions, and `plan/check` must find nothing before any stage starts.
Beside it stands `relabels`, empty but for `relabel_tasks`, which gives tasks other texts.
Each function here makes the plan of one operation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import pyarrow as pa

from lecompose.composition.plan.episode_lists import Episodes, find_overlaps, list_episodes, select_episodes
from lecompose.composition.plan.largest_remainder import deal_episodes
from lecompose.composition.plan.piece_tasks import load_piece_tasks
from lecompose.composition.plan.rows import make_table
from lecompose.dataset.arrow_arrays import repeat_text
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.query_views import open_views
from lecompose.errors import (
    EmptyOutput,
    QueryError,
    RequestError,
    SourceBroken,
    UnknownEpisode,
    count_of,
    listed,
    near,
)

Notes = tuple[str, ...]

_OF_EPISODES, _OF_PIECES = "plan/assign_episode_index", "plan/assign_piece_index"
_JOINED = "plan/join_pieces"
_ALL: Mapping[str, Episodes] = MappingProxyType({})
_NAMED = pa.schema([("src_dataset", pa.string()), ("src_episode", pa.int64())])
_PIECES = pa.schema([*_NAMED, ("from_frame", pa.int64()), ("to_frame", pa.int64())])
_RELABELS = pa.schema([*_NAMED, ("task", pa.string()), ("new_task", pa.string())])
_ENDS = ("from_frame", "to_frame")
_STRATA = _NAMED.append(pa.field("stratum", pa.string()))
_SHARES = pa.schema(
    [("stratum", pa.string()), ("part", pa.string()), ("from_rank", pa.int64()), ("to_rank", pa.int64())]
)


@dataclass(frozen=True)
class Plan:
    """What the relation `plan` does not say: `notes` are what a user should know of it.

    `outputs` are those that the plan itself names; None where the request does. Only where it `may_repeat`
    can an episode be in an output more than once.
    """

    notes: Notes = ()
    outputs: tuple[str, ...] | None = None
    may_repeat: bool = False


def merge(catalog: Catalog, *, output: str, episodes: Mapping[str, Episodes] = _ALL) -> Plan:
    """Plan every episode of every source, in the order of the sources; of some only `episodes`.

    Raises:
        UnknownEpisode: with all episodes that are not there.
        RequestError: for sources that are not there.
        EmptyOutput: where no episode is left.
    """
    if episodes:
        _load_chosen(catalog, episodes)
        catalog.engine.table("picks", "plan/filter", output=output)
    else:
        catalog.engine.table("picks", "plan/merge", output=output)
    _number(catalog, [output])
    return Plan()


def delete(catalog: Catalog, *, output: str, episodes: Episodes) -> Plan:
    """Plan every episode of the one source but `episodes`.

    Raises:
        UnknownEpisode: with all episodes that are not there.
        EmptyOutput: where no episode is left.
    """
    have = _only_source(catalog, "delete")
    gone = catalog.left_out.get(catalog.sources[0].name, frozenset())
    _load_named(catalog, select_episodes(episodes, sorted({*have, *gone})))
    catalog.engine.table("picks", "plan/delete", output=output)
    _number(catalog, [output])
    return Plan()


def filter(catalog: Catalog, *, output: str, where: str | None, where_frames: str | None) -> Plan:
    """Plan the episodes for which both predicates are true, in the order of the sources.

    Raises:
        QueryError: for a predicate that DuckDB refuses.
        EmptyOutput: where no episode passes.
    """
    if where is None and where_frames is None:
        raise RequestError("no predicate was given", hint="--where, --where-frames")
    with open_views(catalog) as views:
        found = [(where, views.episode_condition(where))] if where is not None else []
        found += [(where_frames, views.frame_condition(where_frames))] if where_frames is not None else []
    passing = [truth.filter(truth["value"]).select(_NAMED.names) for _, truth in found]
    if where_frames is not None:
        asked = passing[0] if where is not None else catalog.engine.read("declared", _NAMED.names)
        _refuse_without_frames(asked, found[-1][1])
    kept = passing[0] if len(passing) == 1 else passing[0].join(passing[1], _NAMED.names, join_type="inner")
    catalog.engine.load("named", kept.cast(_NAMED))
    catalog.engine.table("picks", "plan/filter", output=output)
    notes = tuple(note for predicate, truth in found for note in _note_undecided(predicate, truth))
    try:
        _number(catalog, [output])
    except EmptyOutput as error:
        error.problem = f"no episode passes. {error.problem}"
        error.notes = notes
        raise
    return Plan(notes)


def _refuse_without_frames(asked: pa.Table, truth: pa.Table) -> None:
    """Refuse to filter by frames of which an episode has none: what is true of them is not known.

    Raises:
        SourceBroken: naming these episodes.
    """
    judged = set(_list_named(truth))
    lacking = sorted(key for key in _list_named(asked) if key not in judged)
    if lacking:
        raise SourceBroken(
            "episodes have no frames to filter by",
            hint="--skip-broken, which leaves them out, or --where, which can pass over them",
            parts=[f'source "{source}": episode {episode}' for source, episode in lacking],
        )


def _list_named(table: pa.Table) -> Iterator[tuple[str, int]]:
    return zip(*(table[name].to_pylist() for name in _NAMED.names), strict=True)


def sort(catalog: Catalog, *, output: str, by: str) -> Plan:
    """Plan every episode once, in the order of the SQL terms `by`; ties as in the sources.

    Raises:
        QueryError: for terms that DuckDB refuses.
    """
    with open_views(catalog) as views:
        ordered = views.episode_order(by)
    catalog.engine.load("ordered", _with_places(ordered, _NAMED))
    catalog.engine.table("picks", "plan/sort", output=output)
    _number(catalog, [output])
    return Plan()


def sample(catalog: Catalog, *, output: str, episodes: int | None, seed: int | str, by: str | None) -> Plan:
    """Plan as many episodes, drawn by the seed and in the order drawn; None: all of them, shuffled.

    Strata of the SQL expression `by` are drawn from in proportion, and each at least once where the
    number allows.

    Raises:
        RequestError: for more episodes than there are, or fewer than one.
    """
    strata = _load_strata(catalog, by)
    total = sum(strata.values())
    wanted = total if episodes is None else episodes
    if not 0 < wanted <= total:
        raise RequestError(f"{wanted} episodes were asked for; the sources hold {total}")
    counts = deal_episodes(strata, {output: Fraction(wanted, total)})
    _load_shares(catalog, counts)
    catalog.engine.table("picks", "plan/sample", seed=str(seed))
    _number(catalog, [output])
    return Plan(_note_uneven(strata, counts, by))


def split(catalog: Catalog, *, into: Mapping[str, Fraction], seed: int | str | None, by: str | None) -> Plan:
    """Deal the episodes out to parts by fractions; shuffled by the seed, in source order where None.

    Counts are exact by largest remainder. Strata of the SQL expression `by` are dealt out alike, at least
    one episode of each to each part as far as the counts allow. Inside a part episodes stand in the
    order of the sources.

    Raises:
        RequestError: for fractions that are not above 0, or sum to over 1.
        EmptyOutput: for a part without an episode.
    """
    _refuse_fractions(into)
    strata = _load_strata(catalog, by)
    counts = deal_episodes(strata, into)
    _load_shares(catalog, counts)
    catalog.engine.table("picks", "plan/split", seed=None if seed is None else str(seed))
    _number(catalog, list(into))
    return Plan((*_note_uneven(strata, counts, by), *_note_rest(strata, counts)))


def split_episodes(catalog: Catalog, *, into: Mapping[str, Episodes]) -> Plan:
    """Deal the one source's episodes out to parts by number; each part in the order of the source.

    Raises:
        UnknownEpisode: with all episodes that are not there.
        RequestError: for episodes in two parts.
    """
    have = _only_source(catalog, "split by episode numbers")
    try:
        parts = {part: select_episodes(episodes, have) for part, episodes in into.items()}
    except UnknownEpisode as error:
        error.notes = ("A fraction has a point, a slash or a percent sign: 80%",)
        raise
    twice = find_overlaps(parts)
    if twice:
        raise RequestError("parts share episodes; each belongs to one part at most", parts=twice)
    name = catalog.sources[0].name
    rows = [(name, episode, part) for part, episodes in parts.items() for episode in episodes]
    catalog.engine.load("strata", make_table(_STRATA, rows))
    counts = {part: {part: len(episodes)} for part, episodes in parts.items()}
    _load_shares(catalog, counts)
    catalog.engine.table("picks", "plan/split", seed=None)
    _number(catalog, list(into))
    return Plan(_note_rest({name: len(have)}, counts))


def compose(catalog: Catalog, *, output: str, sql: str) -> Plan:
    """Plan what a user's SELECT returns, row for row, into the outputs that it names.

    Raises:
        QueryError: for SQL that DuckDB refuses, or whose columns do not make a plan.
        UnknownEpisode, EmptyOutput: for episodes that are not there; where it returns no row.
    """
    with open_views(catalog) as views:
        picked, has_order = views.select_in_order(sql, [*_PIECES.names, "out_dataset"])
        of_episodes = views.sandbox.columns_of("episodes")
    lacking = [name for name in _NAMED.names if name not in picked.column_names]
    if lacking:
        found = ", ".join(picked.column_names)
        raise QueryError(
            f"the recipe returns {found}; a plan needs the columns {' and '.join(lacking)} as well",
            hint="select src_dataset, src_episode from episodes …",
        )
    names_outputs = "out_dataset" in picked.column_names
    _refuse_other_columns(picked.column_names, of_episodes)
    columns = [*_NAMED, *([pa.field("out_dataset", pa.string())] if names_outputs else [])]
    ends = [pa.field(name, pa.int64()) for name in _ENDS if name in picked.column_names]
    wanted = pa.schema([*columns, *ends])
    picked = _cast(picked.select(wanted.names), wanted, may_be_null=_ENDS)
    told = tuple(note for name in _ENDS for note in _note_nulls(picked, name))
    for name in _ENDS:
        if name not in picked.column_names:
            picked = picked.append_column(name, pa.nulls(len(picked), pa.int64()))
    if not names_outputs:
        picked = picked.append_column("out_dataset", repeat_text(output, len(picked)))
    notes: Notes = ()
    if not has_order:
        picked, notes = _put_in_order(catalog, picked)
    notes += told + _pick_pieces(catalog, picked)
    outputs = tuple(sorted(set(picked["out_dataset"].to_pylist())))
    number_pieces(catalog, outputs or (output,))
    return Plan(notes, outputs if names_outputs else None, may_repeat=True)


def _put_in_order(catalog: Catalog, picked: pa.Table) -> tuple[pa.Table, Notes]:
    """Return rows that have no order in that of the sources, and a note if they did not stand so."""
    places = {source.name: n for n, source in enumerate(catalog.sources)}
    columns = (picked[name].to_pylist() for name in _PIECES.names)
    keys = [(places.get(n, len(places)), e, a or 0, b or 0) for n, e, a, b in zip(*columns, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    if order == list(range(len(keys))):
        return picked, ()
    note = "the recipe has no ORDER BY: its rows are taken in the order of the sources, episodes and frames"
    return picked.take(pa.array(order, pa.int64())), (note,)


def _refuse_other_columns(names: Sequence[str], of_episodes: Sequence[str]) -> None:
    """Refuse a recipe that returns what no plan has: it would be ignored.

    Columns of `episodes` pass: a recipe may well be "from episodes where …".

    Raises:
        QueryError: naming the columns, and what may have been meant.
    """
    known = [*_PIECES.names, "out_dataset"]
    problems = [f'"{name}"{near(name, known)}' for name in names if name not in {*known, *of_episodes}]
    if problems:
        raise QueryError(
            "the recipe returns columns that a plan does not have",
            hint=f"only {', '.join(known)}",
            parts=problems,
        )


def _pick_pieces(catalog: Catalog, pieces: pa.Table) -> Notes:
    """Make the relation `picks` of pieces in their order; return notes on those that are picked again."""
    names = [*_PIECES.names, "out_dataset"]
    schema = pa.schema([*_PIECES, ("out_dataset", pa.string())])
    catalog.engine.load("composed", _with_places(pieces.select(names), schema))
    catalog.engine.table("picks", "plan/compose")
    return _note_repeated(catalog)


# From picks to the plan -------------------------------------------------------------------------


def number_episodes(catalog: Catalog, outputs: Sequence[str]) -> None:
    """Make the relation `plan` of picks that are whole episodes.

    Raises:
        EmptyOutput: for an output without an episode.
    """
    _number(catalog, outputs)


def number_pieces(catalog: Catalog, outputs: Sequence[str], *, join: bool = False) -> None:
    """Make the relation `plan` of picks that are pieces of episodes; with `join` those of one are one again.

    Raises:
        UnknownEpisode: with all episodes and frames that are not there.
        EmptyOutput: for an output without a piece.
    """
    _number(catalog, outputs, _JOINED if join else _OF_PIECES)


def _number(catalog: Catalog, outputs: Sequence[str], template: str = _OF_EPISODES) -> None:
    """Make the relation `plan` of the picks: it alone assigns episode_index."""
    catalog.engine.table("plan", template)
    catalog.engine.load("relabels", _RELABELS.empty_table())
    problems = catalog.engine.arrow("plan/check")["problem"].to_pylist()
    if problems:
        sources = ", ".join(f'"{source.name}"' for source in catalog.sources)
        raise UnknownEpisode(
            f"the plan cannot be carried out; there are the sources {sources}", parts=problems
        )
    load_piece_tasks(catalog, has_pieces=template != _OF_EPISODES)
    filled = set(catalog.engine.arrow("plan/totals")["out_dataset"].to_pylist())
    empty = [output for output in outputs if output not in filled]
    if empty:
        raise EmptyOutput("nothing to write; these outputs have no episode", parts=empty)


def _only_source(catalog: Catalog, doing: str) -> list[int]:
    """Return the episodes of the one source: with several, a bare number would be ambiguous."""
    if len(catalog.sources) != 1:
        raise RequestError(
            f"{doing} takes one dataset, {len(catalog.sources)} were given",
            hint="filter --where, with src_dataset and src_episode",
        )
    return list_episodes(catalog, catalog.sources[0].name)


def _load_chosen(catalog: Catalog, episodes: Mapping[str, Episodes]) -> None:
    """Make the relation `named`: every episode of every source, of some sources only those given."""
    names = [source.name for source in catalog.sources]
    unknown = [f'"{name}"' for name in episodes if name not in names]
    if unknown:
        raise RequestError(f"there are the sources {', '.join(names)}; there is no", parts=unknown)
    rows = []
    for name in names:
        have = list_episodes(catalog, name)
        rows += [(name, n) for n in (select_episodes(episodes[name], have) if name in episodes else have)]
    catalog.engine.load("named", make_table(_NAMED, rows))


def _load_named(catalog: Catalog, episodes: Sequence[int]) -> None:
    name = catalog.sources[0].name
    catalog.engine.load("named", make_table(_NAMED, [(name, episode) for episode in episodes]))


def _load_strata(catalog: Catalog, by: str | None) -> dict[str, int]:
    """Make the relation `strata`; the number of episodes of each stratum, in order of first appearance."""
    if by is None:
        catalog.engine.table("strata", "plan/one_stratum")
    else:
        with open_views(catalog) as views:
            strata = views.strata(by)
        catalog.engine.load("strata", strata.cast(_STRATA))
    sizes = catalog.engine.arrow("plan/stratum_sizes")
    return dict(zip(*(column.to_pylist() for column in sizes.columns), strict=True))


def _load_shares(catalog: Catalog, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Make the relation `shares`: which ranks of a stratum's episodes go to which part."""
    rows = []
    for stratum, shares in counts.items():
        at = 0
        for part, count in shares.items():
            rows.append((stratum, part, at, at + count))
            at += count
    catalog.engine.load("shares", make_table(_SHARES, rows))


def _with_places(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` with the column `place`: where each stands."""
    places = pa.array(range(len(rows)), pa.int64())
    return rows.select(schema.names).cast(schema).append_column("place", places)


def _cast(rows: pa.Table, schema: pa.Schema, *, may_be_null: Sequence[str] = ()) -> pa.Table:
    for field in schema:
        _refuse_type(rows[field.name], field)
    rows = rows.cast(schema)
    empty = [name for name in schema.names if rows[name].null_count and name not in may_be_null]
    if empty:
        raise QueryError(f"the recipe returns rows without {' and '.join(empty)}", hint="a where clause")
    return rows


def _refuse_type(column: pa.ChunkedArray, field: pa.Field) -> None:
    """Refuse values of a recipe that are none of what a plan has."""
    try:
        column.cast(field.type)
    except pa.ArrowException as error:
        needed = "a whole number" if pa.types.is_integer(field.type) else "a text"
        values = (value for value in column.to_pylist() if value is not None)
        wrong = next((v for v in values if not pa.types.is_integer(field.type) or not _is_whole(v)), None)
        raise QueryError(
            f"the recipe returns {wrong} as {field.name}; {needed} is needed",
            hint=f"round({field.name})::bigint" if needed == "a whole number" else f"{field.name}::varchar",
        ) from error


def _is_whole(value: object) -> bool:
    return not isinstance(value, str | bytes | bool | list | dict) and value == int(value)  # type: ignore[call-overload]


# Notes ------------------------------------------------------------------------------------------


def _refuse_fractions(into: Mapping[str, Fraction]) -> None:
    wrong = [f"{part}={float(share):g}" for part, share in into.items() if not 0 < share <= 1]
    if wrong:
        raise RequestError(f"a fraction lies above 0 and is at most 1: {', '.join(wrong)}")
    whole = sum(into.values(), Fraction(0))
    if whole > 1:
        raise RequestError(f"the fractions sum to {float(whole):g}, over 1: episodes belong to one part")


def _note_rest(strata: Mapping[str, int], counts: Mapping[str, Mapping[str, int]]) -> Notes:
    total = sum(strata.values())
    left = total - sum(count for shares in counts.values() for count in shares.values())
    return (f"{left} of {total} episodes are in no part, and are left out",) if left else ()


def _note_undecided(predicate: str, truth: pa.Table) -> Notes:
    """Return notes on a predicate that is null for some episodes: often a slip, such as an index 0."""
    nulls = truth["value"].null_count
    why = "an index outside of a vector, or a value that is missing?"
    return (
        (f"{predicate}: neither true nor false for {nulls} of {len(truth)} episodes; {why}",) if nulls else ()
    )


def _note_nulls(picked: pa.Table, name: str) -> Notes:
    """Return a note on rows of a recipe without one of the ends that it returns."""
    nulls = picked[name].null_count if name in picked.column_names else 0
    if not nulls:
        return ()
    what = "begin with their episode" if name == "from_frame" else "end with their episode"
    one = what.replace("begin", "begins").replace("end ", "ends ").replace("their", "its")
    return (f"{name} is null: {count_of(nulls, f'piece {one}', f'pieces {what}')}",)


def _note_repeated(catalog: Catalog) -> Notes:
    """Return a note if episodes are picked again for the same output: meant, or a slip of a join."""
    again = catalog.engine.value("plan/repeated")
    if not again:
        return ()
    which = count_of(again, "episode is", "episodes are")
    return (f"{which} picked again for an output that has {'it' if again == 1 else 'them'} already",)


def _note_uneven(strata: Mapping[str, int], counts: Mapping[str, Mapping[str, int]], by: str | None) -> Notes:
    """Names the strata that are not in every part."""
    lines = []
    for stratum, shares in counts.items() if by is not None else ():
        lacking = ", ".join(part for part, count in shares.items() if not count)
        if lacking:
            size = strata[stratum]
            lines.append(f'"{stratum}" ({size} episode{"s" if size > 1 else ""}): none in {lacking}')
    return (listed(f"strata of {by} that are not in every part:", lines, limit=10),) if lines else ()
