"""Public functions that compose a new dataset from pieces of episodes."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import partial
from typing import TypeAlias, Unpack

from lecompose.api.where_to import decide_where
from lecompose.composition.named_sources import PathLike, Sources
from lecompose.composition.pipeline import run_request
from lecompose.composition.plan import pieces
from lecompose.composition.report import Report
from lecompose.composition.request import Request
from lecompose.composition.settings import Options
from lecompose.errors import RequestError

SpanLike: TypeAlias = str | int | float | Fraction
"""Seconds as "2s" or "500ms"; a number is of frames."""
FramesLike: TypeAlias = Mapping[int, str | Iterable[tuple[int | None, int | None]]]
"""Of an episode the pieces, as "0:300,300:720" or [(0, 300), (300, 720)]: half-open, None for an end."""


def trim(
    sources: Sources,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    head: SpanLike = 0,
    tail: SpanLike = 0,
    where_frames: str | None = None,
    margin: SpanLike = 0,
    snap: str | None = None,
    **options: Unpack[Options],
) -> Report:
    """Copy every episode to `out` without some frames at its ends; return the report.

    `head` and `tail` are taken from every episode, "2s" or 60 frames. Or an episode begins with the first
    frame for which the SQL condition `where_frames` is true, and ends with the last one, but for a `margin`;
    `lag_action` there is the action of the frame before. Frames are numbered and timed from 0 again.
    With `snap="keyframe"` a start moves to the nearest frame from which all videos can be copied.

    Raises:
        EmptyOutput: for episodes that are no longer than what is trimmed; where no frame passes.
        QueryError: for a condition that DuckDB refuses; other errors as of `merge`.
    """
    given, to, settings = decide_where(sources, out, in_place, options)
    make_plan = partial(
        pieces.trim,
        output=to.root.name,
        head=pieces.parse_span(head, "--head"),
        tail=pieces.parse_span(tail, "--tail"),
        where_frames=where_frames,
        margin=pieces.parse_span(margin, "--margin"),
        snap=_snaps(snap),
    )
    arguments = [
        *((f"--{name}", value) for name, value in (("head", head), ("tail", tail)) if value),
        ("--where-frames", where_frames),
        *([("--margin", margin)] if margin else []),
        ("--snap", snap),
    ]
    return run_request(Request("trim", given, to, make_plan, settings, arguments))


def cut(
    sources: Sources,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    at: str | None = None,
    every: SpanLike | None = None,
    into: int | None = None,
    frames: FramesLike | None = None,
    snap: str | None = None,
    **options: Unpack[Options],
) -> Report:
    """Copy every episode to `out` in pieces, each an episode; return the report.

    A piece begins at each frame where the SQL condition `at` becomes true; or is `every` so long, "10s" or
    300 frames, the last one shorter; or is one of `into` so many; or holds the `frames` that are named,
    {4: "0:300,300:720"}, of one source, whose other episodes stay whole.

    Raises:
        RequestError: unless one way is given.
        UnknownEpisode: for episodes and frames that are not there; other errors as of `merge`.
    """
    given, to, settings = decide_where(sources, out, in_place, options)
    spans = None if frames is None else {int(number): _spans(said) for number, said in frames.items()}
    make_plan = partial(
        pieces.cut,
        output=to.root.name,
        at=at,
        every=None if every is None else pieces.parse_span(every, "--every"),
        into=into,
        frames=spans,
        snap=_snaps(snap),
    )
    named = [("--frames", f"{number}={_spell(said)}") for number, said in (spans or {}).items()]
    arguments = [("--at", at), ("--every", every), ("--into", into), *named, ("--snap", snap)]
    return run_request(Request("cut", given, to, make_plan, settings, arguments))


def drop_frames(
    sources: Sources,
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    where: str,
    join: bool = False,
    snap: str | None = None,
    **options: Unpack[Options],
) -> Report:
    """Copy to `out` what is left of every episode without some frames; return the report.

    These are the frames for which the SQL condition `where` is true. Each stretch that is left is an episode;
    with `join` an episode stays one, without them, and its frames are numbered and timed from 0 on.

    Raises:
        QueryError: for a condition that DuckDB refuses.
        EmptyOutput: where every frame is dropped; other errors as of `merge`.
    """
    given, to, settings = decide_where(sources, out, in_place, options)
    make_plan = partial(pieces.drop_frames, output=to.root.name, where=where, join=join, snap=_snaps(snap))
    arguments: list[tuple[str, object]] = [("--where", where), ("--join", join), ("--snap", snap)]
    return run_request(Request("drop-frames", given, to, make_plan, settings, arguments))


def _snaps(said: str | None) -> bool:
    """Return whether pieces begin where videos can be copied. Raises RequestError for any other word."""
    if said not in (None, "keyframe"):
        raise RequestError(f'--snap {said}: only "keyframe" is known')
    return said is not None


def _spans(said: str | Iterable[tuple[int | None, int | None]]) -> tuple[tuple[int | None, int | None], ...]:
    return tuple(pieces.iterate_spans(said)) if isinstance(said, str) else tuple(said)


def _spell(spans: Iterable[tuple[int | None, int | None]]) -> str:
    return ",".join(f"{'' if a is None else a}:{'' if b is None else b}" for a, b in spans)
