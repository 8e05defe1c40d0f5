"""Plans of pieces of episodes: trim, cut, drop-frames.

What a user's condition over frames says becomes `runs`: stretches of an episode for which it is true.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pyarrow as pa

from lecompose.composition.plan import Notes, Plan, number_pieces
from lecompose.composition.plan.rows import make_table
from lecompose.composition.plan.snap_starts import snap_starts
from lecompose.dataset.catalog import Catalog
from lecompose.dataset.query_views import open_views
from lecompose.errors import EmptyOutput, QueryError, RequestError, count_of, few, listed

_RUNS = pa.schema(
    [
        ("src_dataset", pa.string()),
        ("src_episode", pa.int64()),
        ("from_frame", pa.int64()),
        ("to_frame", pa.int64()),
    ]
)
_NAMED_PIECES = _RUNS.append(pa.field("place", pa.int64()))

_SECONDS = {"s": Fraction(1), "sec": Fraction(1), "ms": Fraction(1, 1000), "min": Fraction(60)}

Span = Fraction | int
"""A length of time: a fraction is of seconds, an integer of frames."""


@dataclass(frozen=True, slots=True)
class _Emptied:
    """An episode of which nothing is picked."""

    src_dataset: str
    src_episode: int
    length: int


def trim(
    catalog: Catalog,
    *,
    output: str,
    head: Span = 0,
    tail: Span = 0,
    where_frames: str | None = None,
    margin: Span = 0,
    snap: bool = False,
) -> Plan:
    """Plan every episode without some frames at its ends.

    These are `head` and `tail`, or all before the first and behind the last frame for which a condition is
    true, but for a `margin`.

    Raises:
        RequestError: where nothing is to be trimmed, or both are asked for.
        QueryError: for a condition that DuckDB refuses.
        EmptyOutput: for episodes that are no longer than what is trimmed; where no frame passes.
    """
    if where_frames is None:
        if margin:
            raise RequestError(
                "--margin is a margin around the frames of a condition", hint="--where-frames with one"
            )
        if not head and not tail:
            raise RequestError("nothing is to be trimmed", hint="--head 2s, --tail 30 or --where-frames")
        amounts = {"heads": _list_frames(catalog, head), "tails": _list_frames(catalog, tail)}
        _pick(catalog, "plan/trim", output=output, sources=_names(catalog), **amounts)
        _refuse_emptied(catalog, [a + b for a, b in zip(amounts["heads"], amounts["tails"], strict=True)])
        notes = _note_rates(catalog, {"--head": head, "--tail": tail})
        return _finish(catalog, output, notes, snap=snap)
    if head or tail:
        raise RequestError("either --head and --tail, or --where-frames")
    notes = _load_runs(catalog, where_frames) + _note_rates(catalog, {"--margin": margin})
    margins = _list_frames(catalog, margin)
    _pick(catalog, "plan/trim_to_runs", output=output, sources=_names(catalog), margins=margins)
    notes += _note_emptied(catalog, "no frame passes")
    return _finish(catalog, output, notes, snap=snap)


def cut(
    catalog: Catalog,
    *,
    output: str,
    at: str | None = None,
    every: Span | None = None,
    into: int | None = None,
    frames: Mapping[int, Sequence[tuple[int | None, int | None]]] | None = None,
    snap: bool = False,
) -> Plan:
    """Plan every episode in pieces.

    A piece begins at each frame where the condition `at` becomes true; or is so long, `every`; or one of so
    many, `into`; or the `frames` that are named of an episode of the one source, the others staying whole.

    Raises:
        RequestError: unless one of these is given.
        QueryError: for a condition that DuckDB refuses.
        UnknownEpisode: for an episode, or frames, that are not there.
    """
    if sum(way is not None for way in (at, every, into, frames)) != 1:
        raise RequestError("one way to cut is needed", hint="--at, --every, --into or --frames")
    notes: Notes = ()
    if at is not None:
        notes = _load_runs(catalog, at)
        _pick(catalog, "plan/cut_at_runs", output=output)
    elif every is not None:
        lengths = _list_frames(catalog, every)
        if min(lengths) < 1:
            raise RequestError("--every: a piece has one frame at least")
        _pick(catalog, "plan/cut_every", output=output, sources=_names(catalog), lengths=lengths)
        notes = _note_rates(catalog, {"--every": every})
    elif into is not None:
        if into < 1:
            raise RequestError(f"--into {into}: a number above 0 is needed")
        _pick(catalog, "plan/cut_into", output=output, pieces=into)
        _refuse_emptied_pieces(catalog, into)
    else:
        notes = _load_named(catalog, frames or {})
        _pick(catalog, "plan/cut_named", output=output)
    return replace(_finish(catalog, output, notes, snap=snap), may_repeat=frames is not None)


def drop_frames(catalog: Catalog, *, output: str, where: str, join: bool = False, snap: bool = False) -> Plan:
    """Plan what is left of every episode without the frames for which a condition is true.

    Each stretch that is left is an episode; with `join` all those of an episode are one.

    Raises:
        QueryError: for a condition that DuckDB refuses.
        EmptyOutput: where every frame is dropped.
    """
    notes = _load_runs(catalog, where)
    _pick(catalog, "plan/drop_runs", output=output)
    notes += _note_emptied(catalog, "every frame is dropped")
    return _finish(catalog, output, notes, join=join, snap=snap)


def parse_span(said: str | float | Fraction, option: str) -> Span:
    """Return a length of time: "2s", "0.5 s" or "500ms" of seconds, a whole number of frames.

    Raises:
        RequestError: for what is neither.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|sec|ms|min|f|frames)?", str(said).strip())
    if found is None:
        raise RequestError(f'{option} "{said}": seconds, as 2s, or frames, as 60, are needed')
    number, unit = Fraction(found[1]), found[2]
    if unit in (None, "f", "frames"):
        if number.denominator != 1:
            raise RequestError(f'{option} "{said}": a whole number of frames is needed', hint=f"{said}s")
        return int(number)
    return number * _SECONDS[unit]


# From a request to picks --------------------------------------------------------------------------


def _finish(catalog: Catalog, output: str, notes: Notes, *, snap: bool, join: bool = False) -> Plan:
    """Number the picked pieces; with `snap` they begin where videos can be copied."""
    snapped = snap_starts(catalog) if snap else ()
    number_pieces(catalog, [output], join=join)
    return Plan((*notes, *snapped))


def _names(catalog: Catalog) -> list[str]:
    return [source.name for source in catalog.sources]


def _list_frames(catalog: Catalog, span: Span) -> list[int]:
    """Return how many frames a length of time is in each source, to the nearest one."""
    if isinstance(span, int):
        return [span] * len(catalog.sources)
    return [int(span * source.fps + Fraction(1, 2)) for source in catalog.sources]


def _note_rates(catalog: Catalog, spans: Mapping[str, Span]) -> Notes:
    """Return notes on numbers of frames that are other times in sources of other rates."""
    rates = {source.fps for source in catalog.sources}
    return tuple(
        f"{option} {span} is of frames: "
        + ", ".join(f'{float(span / source.fps):g} s of "{source.name}"' for source in catalog.sources[:3])
        + (" and so on" if len(catalog.sources) > 3 else "")
        + f"; {option} 2s is the same time of each"
        for option, span in spans.items()
        if isinstance(span, int) and span and len(rates) > 1
    )


def _pick(catalog: Catalog, template: str, **values: object) -> None:
    catalog.engine.table("picks", template, **values)


def _load_named(catalog: Catalog, frames: Mapping[int, Sequence[tuple[int | None, int | None]]]) -> Notes:
    """Make the relation `named_pieces` of the one source; return notes on frames in none, or in several."""
    if len(catalog.sources) != 1:
        raise RequestError("--frames takes one dataset", hint="compose, with from_frame and to_frame")
    name = catalog.sources[0].name
    lengths = {row.src_episode: row.length for row in catalog.lengths(catalog.sources[0])}
    rows = [
        (name, episode, start or 0, lengths.get(episode, 0) if end is None else end, place)
        for episode, spans in frames.items()
        for place, (start, end) in enumerate(spans)
    ]
    catalog.engine.load("named_pieces", make_table(_NAMED_PIECES, rows))
    spans: dict[int, list[tuple[int, int]]] = {}
    for _, episode, start, end, _ in rows:
        spans.setdefault(episode, []).append((start, end))
    return _note_coverage({n: (lengths.get(n, 0), found) for n, found in spans.items()})


def _note_coverage(named: Mapping[int, tuple[int, list[tuple[int, int]]]]) -> Notes:
    """Return notes on the frames of episodes that are in no piece, and on those in several."""
    lines = []
    for episode, (length, spans) in named.items():
        times = np.zeros(length, np.int64)
        for start, end in spans:
            times[start:end] += 1
        for found, what in ((times == 0, "in no piece"), (times > 1, "in several pieces")):
            if found.any():
                lines.append(f"episode {episode}: frames {_spell_runs(found)} are {what}")
    return (listed("--frames leaves frames out, or takes some again:", lines, limit=10),) if lines else ()


def _spell_runs(found: np.ndarray) -> str:
    """Return the stretches of frames, as "3:5, 8:12"."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], found, [False]]).astype(np.int8))).tolist()
    runs = [f"{a}:{b}" for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return ", ".join(runs[:5]) + (" …" if len(runs) > 5 else "")


def _load_runs(catalog: Catalog, condition: str) -> Notes:
    """Make the relation `runs` of the frames for which a condition is true; return notes on it.

    Raises:
        QueryError: for a condition that DuckDB refuses, or that gives no truth.
    """
    found = _Runs()
    with open_views(catalog) as views, views.frame_values(condition) as reader:
        if not pa.types.is_boolean(reader.schema.field("value").type):
            kind = reader.schema.field("value").type
            raise QueryError(f"{condition}: a condition, true or false, is needed; this gives {kind}")
        for batch in reader:
            found.add(batch)
    catalog.engine.load("runs", found.to_table())
    if not found.undecided:
        return ()
    frames = count_of(found.undecided, "frame")
    return (f"{condition}: neither true nor false for {frames}, which counts as false",)


class _Runs:
    """Stretches of frames for which a condition is true, from batches in the order of episodes and frames."""

    def __init__(self) -> None:
        self._runs: list[list[object]] = []
        self.undecided = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next frames."""
        value = batch["value"]
        self.undecided += value.null_count
        is_true = value.fill_null(False).to_numpy(zero_copy_only=False)
        places = np.flatnonzero(is_true)
        if not len(places):
            return
        frames = batch["frame_index"].to_numpy()
        episodes = batch["src_episode"].to_numpy()
        datasets = batch["src_dataset"]
        same = (np.diff(places) == 1) & (np.diff(frames[places]) == 1) & (np.diff(episodes[places]) == 0)
        for some in np.split(places, np.flatnonzero(~same) + 1):
            name, episode = datasets[int(some[0])].as_py(), int(episodes[some[0]])
            self._add(name, episode, int(frames[some[0]]), int(frames[some[-1]]) + 1)

    def _add(self, name: str, episode: int, start: int, end: int) -> None:
        if self._runs and self._runs[-1][:2] == [name, episode] and self._runs[-1][3] == start:
            self._runs[-1][3] = end  # it went on in the next batch
        else:
            self._runs.append([name, episode, start, end])

    def to_table(self) -> pa.Table:
        """Return the runs."""
        return make_table(_RUNS, [tuple(run) for run in self._runs])


# What is left of nothing ----------------------------------------------------------------------------


def _emptied(catalog: Catalog) -> list[_Emptied]:
    return catalog.engine.records("plan/without_picks", _Emptied)


def _refuse_emptied(catalog: Catalog, needed: Sequence[int]) -> None:
    """Refuse to take so many frames, by source, from episodes that have no more."""
    emptied = _emptied(catalog)
    if emptied:
        frames = str(needed[0])
        if len(set(needed)) > 1:
            pairs = zip(_names(catalog), needed, strict=True)
            cases = (f"when '{name.replace(chr(39), chr(39) * 2)}' then {count}" for name, count in pairs)
            frames = f"case src_dataset {' '.join(cases)} end"
        raise EmptyOutput(
            "nothing would be left of some episodes",
            hint=f'filter --where "length > {frames}" first',
            parts=[
                f'source "{e.src_dataset}", episode {e.src_episode}: {count_of(e.length, "frame")}'
                for e in emptied
            ],
        )


def _refuse_emptied_pieces(catalog: Catalog, into: int) -> None:
    """Refuse to cut episodes into more pieces than they have frames."""
    lengths = [(s.name, row.src_episode, row.length) for s in catalog.sources for row in catalog.lengths(s)]
    short = [
        f'source "{name}", episode {n}: {count_of(length, "frame")}'
        for name, n, length in lengths
        if length < into
    ]
    if short:
        raise EmptyOutput(
            f"some episodes have fewer than {into} frames",
            hint=f'filter --where "length >= {into}" first',
            parts=short,
        )


def _note_emptied(catalog: Catalog, why: str) -> Notes:
    """Return a note on the episodes that are left out because nothing is left of them."""
    emptied = _emptied(catalog)
    if not emptied:
        return ()
    names = few(f"{each.src_dataset} {each.src_episode}" for each in emptied)
    which = count_of(len(emptied), "episode is", "episodes are")
    return (f"{which} left out, {why}: {names}",)


def iterate_spans(text: str) -> Iterator[tuple[int | None, int | None]]:
    """Yield the spans of "0:300,300:720"; an end that is not there is the episode's.

    Raises:
        RequestError: for what is no span.
    """
    for word in text.split(","):
        found = re.fullmatch(r"\s*(\d*)\s*:\s*(\d*)\s*", word)
        if found is None:
            raise RequestError(f'frames "{word}": START:END is needed, as 0:300')
        yield (int(found[1]) if found[1] else None), (int(found[2]) if found[2] else None)
