"""Every exception lecompose raises on purpose, and the exit code the CLI gives it.

    ComposeError                 exit  who must act
    ├─ RequestError                2   the caller: an impossible or ambiguous request
    │   ├─ UnknownEpisode
    │   ├─ FeatureMismatch
    │   ├─ EmptyOutput
    │   └─ QueryError
    ├─ SourceError                 3   the owner of the input
    │   ├─ SourceNotFound              (also FileNotFoundError)
    │   ├─ SourceBroken
    │   └─ UnsupportedVersion
    ├─ MediaError                  4   a video that cannot be read or cut
    ├─ OutputError                 5   the destination
    │   ├─ OutputBusy
    │   ├─ OutputExists                (also FileExistsError)
    │   └─ OutputUnwritable
    └─ VerifyError                 6   our own result broke a promise; nothing was published

A message says what is wrong, where, what was found against what is needed, the next step, and the
path last. All problems of one kind are raised together: see `listed`.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class ComposeError(Exception):
    """Base of all lecompose errors; `exit_code` is what the CLI exits with."""

    exit_code = 1


class RequestError(ComposeError):
    """The request is impossible or ambiguous as it stands."""

    exit_code = 2


class UnknownEpisode(RequestError):
    """An episode was named that no source holds."""


class FeatureMismatch(RequestError):
    """The sources do not agree on what one dataset must have only once."""


class EmptyOutput(RequestError):
    """The plan leaves an output without a single episode."""


class QueryError(RequestError):
    """SQL that DuckDB refused."""


class SourceError(ComposeError):
    """An input dataset cannot be used as it is."""

    exit_code = 3


class SourceNotFound(SourceError, FileNotFoundError):
    """The input is not there, or is no dataset."""


class SourceBroken(SourceError):
    """An input file is missing, damaged, or contradicts the dataset's own metadata."""


class UnsupportedVersion(SourceError):
    """The dataset's format version is none that lecompose reads."""


class MediaError(ComposeError):
    """A video file cannot be read, or cannot be cut where the plan needs it."""

    exit_code = 4


class OutputError(ComposeError):
    """The destination cannot be written."""

    exit_code = 5


class OutputBusy(OutputError):
    """Another run is writing the same output right now."""


class OutputExists(OutputError, FileExistsError):
    """The destination is already there."""


class OutputUnwritable(OutputError):
    """The destination's file system refused: permissions, space, a vanished folder."""


class VerifyError(ComposeError):
    """What was written broke a promise of its format, and was therefore not published."""

    exit_code = 6


def listed(headline: str, problems: Iterable[str], *, limit: int = 20) -> str:
    """`headline`, then one problem a line; beyond `limit` they are counted, not printed."""
    lines = list(problems)
    shown = [f"  - {line}" for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"  … and {len(lines) - limit} more")
    return "\n".join([headline, *shown])


def few(names: Iterable[str]) -> str:
    """Some names as messages give them."""
    every = [f'"{name}"' for name in names]
    shown = ", ".join(every[:3])
    return shown if len(every) <= 3 else f"{shown} and {len(every) - 3} more"


def near(name: str, names: Iterable[str]) -> str:
    """What may have been meant, in parentheses; empty where nothing is like it."""
    found = difflib.get_close_matches(name, sorted(set(names)), 1)
    return f' (did you mean "{found[0]}"?)' if found else ""


def collected(items: Sequence[T], do: Callable[[T], R], *, what: str) -> list[R]:
    """`do` of each item. Errors: those of all items together, in the nearest family they share."""
    results: list[R] = []
    errors: list[ComposeError] = []
    for item in items:
        try:
            results.append(do(item))
        except ComposeError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        shared = next(kind for kind in type(errors[0]).__mro__ if all(isinstance(e, kind) for e in errors))
        raise shared(listed(f"{len(errors)} {what} cannot be read:", map(str, errors))) from errors[0]
    return results
