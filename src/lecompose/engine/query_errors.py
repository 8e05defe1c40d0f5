"""What DuckDB says of a user's text, for the user: the place in the text, what to do, no fault of its own."""

import re
from collections.abc import Iterator

from lecompose.engine.templates import quote_name


def hint_at(told: str, text: str) -> Iterator[str]:
    """Yield what to do about the mistakes that are made most."""
    missing = re.search(r'Referenced column "(.+?)" not found', told)
    if missing and quote_name(missing[1]) in text:
        yield f"Try: '{missing[1]}', if it is a text: double quotes are for names"
    if "SQLExpression" in told:
        yield "Try: one expression; to take several together, concat_ws(' ', task, length)"
    if re.search(r"'[-+*/]\([^']*\[", told):
        yield "Try: + - * / on two vectors of numbers, or a vector and a number; vadd(v, w), vsub, vmul, vdiv"
    if "cannot contain window function" in told:
        yield "Try: select max(v) from (select speed(action) as v from frames)"
    if "Window functions are not supported here" in told:
        yield "Try: lag(x) over (order by …); without a window it is of neighbours in `frames`"
    if "'array_extract(" in told and re.search(r"\b(speed|acceleration|norm|idle)\s*\(", text, re.IGNORECASE):
        yield "Try: speed([action[1]]), of one number of a vector; speed(action) is one number, of the whole"
    elif "'list_aggr(" in told and re.search(r"\bnorm\s*\(\s*(speed|acceleration)\b", text, re.IGNORECASE):
        yield "Try: it without norm: speed and acceleration are single numbers, of the whole vector"
    elif "Invalid LIST argument" in told or "'list_aggr(" in told:
        yield "Try: a vector; of a single number x it is [x], as in speed([x])"
    if "lambda arrow" in told:
        yield "Try: [x * 2 for x in action], or list_transform(action, lambda x: x * 2)"
    if "found MULTI" in told:
        yield "Try: pivot … on task in ('a', 'b'), with its values named, or count(*) filter (where …)"


def shift_line(message: str, lines: int) -> str:
    """DuckDB's message, its line number counted from the user's first line; no place if it is before that."""
    found = re.search(r"\n\nLINE (\d+): ", message)
    if not found:
        return message
    line = int(found[1]) - lines
    return f"{message[: found.start(1)]}{line}{message[found.end(1) :]}" if line > 0 else strip_place(message)


def own_fault(message: str) -> str | None:
    """One line for what DuckDB itself takes for a mistake of its own, in place of its stack."""
    found = re.match(r"(?:INTERNAL|FATAL) Error: *([^\n]*)", message)
    if not found:
        return None
    return (
        f"DuckDB cannot run this, by a fault of its own: {found[1].rstrip('. ')}. Try: to say it"
        " otherwise, without a window over the elements of a list"
    )


def strip_place(message: object) -> str:
    """DuckDB's message without a place that is not in the user's text."""
    return str(message).partition("\n\nLINE ")[0]


def write_name(name: str) -> str:
    """Return a name as a user has to write it."""
    return name if re.fullmatch(r"[a-z_]\w*", name) else quote_name(name)
