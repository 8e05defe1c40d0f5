"""Episodes named by number: `0,3:7,57:` as Python slices a list, or any integers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from lecompose.dataset.catalog import Catalog
from lecompose.errors import RequestError, UnknownEpisode

Episodes: TypeAlias = str | Iterable[int]

_PART = re.compile(r"(?P<one>\d+)|(?P<first>\d*):(?P<stop>\d*)")


def list_episodes(catalog: Catalog, source: str) -> list[int]:
    """Return the numbers of a source's episodes, sorted."""
    found = catalog.engine.read(
        "episodes", ["src_episode"], where=("src_dataset", source), order=["src_episode"]
    )
    numbers: list[int] = found["src_episode"].to_pylist()
    return numbers


def select_episodes(episodes: Episodes, have: Sequence[int]) -> list[int]:
    """Return the episodes of `have` that are named, sorted, each once. Ranges are half-open.

    Raises:
        RequestError: for text that does not name episodes.
        UnknownEpisode: with all episodes that are not there.
    """
    end = max(have, default=-1) + 1
    named = _spans(episodes, end) if isinstance(episodes, str) else [(int(n), int(n) + 1) for n in episodes]
    if not named:
        raise RequestError("no episode was named", hint="0,3:7")
    there = set(have)
    unknown = [
        _format_range(max(low, end), high) if high > end else _format_range(low, high)
        for low, high in named
        if high > end or not there.intersection(range(low, high))
    ]
    if unknown:
        range_ = f"{min(have)} to {end - 1}" if have else "none"
        raise UnknownEpisode(f"there are episodes {range_}; there is no", parts=unknown)
    return sorted({n for low, high in named for n in range(low, high)} & there)


def find_overlaps(parts: Mapping[str, Sequence[int]]) -> list[str]:
    """Return a line for each episode that is in more than one part."""
    holders: dict[int, list[str]] = {}
    for part, episodes in parts.items():
        for episode in episodes:
            holders.setdefault(episode, []).append(part)
    return [
        f"episode {episode}: in {' and '.join(named)}"
        for episode, named in sorted(holders.items())
        if len(named) > 1
    ]


def _spans(text: str, end: int) -> list[tuple[int, int]]:
    """Each item of the selection as a half-open range; open ends reach to the first and behind the last."""
    spans = []
    for item in text.split(","):
        found = _PART.fullmatch(item.strip())
        if not found:
            raise RequestError(
                f'"{item.strip()}" is neither an episode number nor a range',
                hint="0,3:7 (3 to 6) or 57: (from 57 on)",
            )
        if found["one"] is not None:
            spans.append((int(found["one"]), int(found["one"]) + 1))
            continue
        low, high = int(found["first"] or 0), int(found["stop"] or max(end, int(found["first"] or 0) + 1))
        if low >= high:
            raise RequestError(f'the range "{item.strip()}" is empty: it ends before {high}')
        spans.append((low, high))
    return spans


def _format_range(low: int, high: int) -> str:
    return f"episode {low}" if high == low + 1 else f"episodes {low} to {high - 1}"
