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

Exit code 1 is that of any other exception: a fault of ours.

An error carries its facts as attributes and renders its own text from them: where, what is wrong, what
was found against what is needed, the next step, and the path last. So no code has to read a text back.
All problems of one kind are raised together, as the `parts` of one error.
"""

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class ComposeError(Exception):
    """Base of all lecompose errors; `exit_code` is what the CLI exits with.

    Only `problem` is positional; the text is rendered from the facts that are known:

        source "left", episode 3, feature "action": problem: reason. Try: hint. (path)

    With `parts` the first line ends in a colon, and each part follows on a line of its own; then the path,
    and the `notes`.

    Attributes:
        problem: What is wrong, as a sentence without its full stop.
        reason: What somebody else says about it: the operating system, pyarrow, FFmpeg.
        hint: What to do next, best a command or an option that can be pasted.
        path: The file or folder that it is about.
        source: The name of the source dataset that it is about.
        episode: The number of the episode that it is about.
        feature: The name of the feature that it is about.
        parts: All problems of this kind, one line each.
        notes: What else may help, one line each.
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        *,
        reason: str | BaseException | None = None,
        hint: str | None = None,
        path: str | PathLike[str] | None = None,
        source: str | None = None,
        episode: int | None = None,
        feature: str | None = None,
        parts: Iterable[str] = (),
        notes: Iterable[str] = (),
    ) -> None:
        # One argument, so that a copy in another process is made of it and of the attributes.
        super().__init__(problem)
        self.problem = problem
        self.reason = None if reason is None else str(reason)
        self.hint = hint
        self.path = path
        self.source = source
        self.episode = episode
        self.feature = feature
        self.parts = tuple(parts)
        self.notes = tuple(notes)

    def suggest(self, hint: str) -> None:
        """Set the next step, unless whoever raised this error knew a better one."""
        if self.hint is None:
            self.hint = hint

    @property
    def fault(self) -> str:
        """What is wrong and why, without where, the next step and the path."""
        if self.reason is None:
            return self.problem
        return f"{self.problem}{'' if self.problem.endswith('?') else ':'} {self.reason}"

    def __str__(self) -> str:
        text = self._place() + self.fault
        if self.hint is not None:
            # What is told on several lines has its next step on a line of its own.
            text = f"{text}\n" if "\n" in text else f"{_as_sentence(text)} "
            text += f"Try: {self.hint}"
        if self.parts:
            text = listed(f"{text}:", self.parts)
        if self.path is not None:
            text = f"{text}\n({self.path})" if self.parts else f"{_as_sentence(text)} ({self.path})"
        return "\n".join([text, *self.notes])

    def _place(self) -> str:
        facts = [
            *([f'source "{self.source}"'] if self.source is not None else ()),
            *([f"episode {self.episode}"] if self.episode is not None else ()),
            *([f'feature "{self.feature}"'] if self.feature is not None else ()),
        ]
        return ", ".join(facts) + ": " if facts else ""


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
    """lecompose does not read the dataset's format version."""


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
    """Return `headline` and one problem a line; beyond `limit` they are counted, not printed."""
    lines = list(problems)
    shown = [f"  - {line}" for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"  … and {len(lines) - limit} more")
    return "\n".join([headline, *shown])


def few(names: Iterable[str]) -> str:
    """Return the first names in quotes and the number of the others."""
    every = [f'"{name}"' for name in names]
    shown = ", ".join(every[:3])
    return shown if len(every) <= 3 else f"{shown} and {len(every) - 3} more"


def count_of(number: int, one: str, many: str | None = None) -> str:
    """Return a number of things, with what they do if that is given: "1 episode", "2,000 episodes are"."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def near(name: str, names: Iterable[str]) -> str:
    """Return in parentheses the name that may have been meant, or "" if no name is similar."""
    import difflib  # slow to load, and few runs fail

    found = difflib.get_close_matches(name, sorted(set(names)), 1)
    return f' (did you mean "{found[0]}"?)' if found else ""


def collect(items: Sequence[T], do: Callable[[T], R], *, what: str) -> list[R]:
    """Return what `do` gives for each item.

    Raises:
        ComposeError: the errors of all items together, in the nearest class that they share.
    """
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
        raise shared(f"{len(errors)} {what} cannot be read", parts=map(str, errors)) from errors[0]
    return results


def _as_sentence(text: str) -> str:
    text = text.rstrip(" :")
    return text if text.endswith((".", "?", "!", "…")) else f"{text}."
