"""JSON files and JSON lines files: one way to read them, one error for what they should not hold."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from lecompose.errors import ComposeError, SourceBroken
from lecompose.files.git_lfs import refuse_pointer
from lecompose.files.text_files import read_encoding, read_text

T = TypeVar("T")

_MOST_LEVELS = 64
_TOO_DEEP = f"objects and lists lie more than {_MOST_LEVELS} deep in each other"
# JSON may spell one half of a pair that stands for a character: text that no file can hold.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
# What reading a value raises, and then taking from it what should be there.
_FOREIGN = (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError)


@contextmanager
def reading_json(path: Path, *, what: str | None = None) -> Iterator[None]:
    """Translate every error about a file that cannot be read as JSON, or not as `what` it should be.

    Raises:
        SourceBroken: in place of what was raised, with the path.
    """
    try:
        yield
    except ComposeError:
        raise
    except FileNotFoundError:
        raise SourceBroken(f"{path.name} is missing", path=path) from None
    except _FOREIGN as error:
        problem = f"{path.name} cannot be read" + (f" as {what}" if what else "")
        raise SourceBroken(problem, reason=_say(error), path=path) from error


def read_json(path: Path, *, most_bytes: int = 2**30) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        SourceBroken: if the file is missing, larger than such a file can be, or holds anything else.
    """
    with reading_json(path):
        if (size := path.stat().st_size) > most_bytes:
            raise SourceBroken(f"{path.name} has {size:,} bytes, at most {most_bytes:,} are read", path=path)
        refuse_pointer(path)
        value = parse_json(read_text(path))
    if not isinstance(value, dict):
        raise SourceBroken(f"{path.name} must hold a JSON object", path=path)
    return value


def read_json_lines(
    path: Path,
    take: Callable[[Any], T],
    *,
    what: str,
    on_bad: Callable[[int], object] | None = None,
) -> Iterator[T]:
    """Yield what `take` makes of the value in each line; empty lines are skipped.

    With `on_bad`, which is told their numbers, lines that are not `what` they should be are skipped too.

    Raises:
        SourceBroken: if the file cannot be read, or at a line that is not `what` it should be.
    """
    with reading_json(path):
        lines = path.open("rb") if read_encoding(path) == "utf-8" else _encode_lines(path)
    with lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                taken = take(parse_json(line.decode()))
            except _FOREIGN as error:
                if on_bad is None:
                    problem = f"line {number} is not {what}"
                    raise SourceBroken(problem, reason=_say(error), path=path) from error
                on_bad(number)
            else:
                yield taken


def _encode_lines(path: Path) -> BytesIO:
    """Return the lines of a file of another encoding in UTF-8."""
    return BytesIO(read_text(path).encode())


def parse_json(text: str) -> Any:
    """Return the value that a JSON text stands for.

    Raises:
        ValueError: if it is not JSON, lies deeper than anyone nests by hand, or holds half a character.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    # Whatever walks the value later may do so by recursion.
    if text.count("[") + text.count("{") > _MOST_LEVELS and _levels(value) > _MOST_LEVELS:
        raise ValueError(_TOO_DEEP)
    if _HALF.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return value


def _levels(value: Any) -> int:
    """Return how deep objects and lists lie in each other, counted no further than one level too many."""
    level, depth = [value] if isinstance(value, dict | list) else [], 0
    while level and depth <= _MOST_LEVELS:
        held = (part.values() if isinstance(part, dict) else part for part in level)
        level = [inner for part in held for inner in part if isinstance(inner, dict | list)]
        depth += 1
    return depth


def _say(error: Exception) -> str:
    return f'it has no "{error.args[0]}"' if isinstance(error, KeyError) else str(error)
