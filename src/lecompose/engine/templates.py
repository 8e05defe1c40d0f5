"""SQL files → SQL text. The only importer of jinja2.

Values are never rendered: they are bound by the engine as `$name`. Jinja shapes only names
(through the `ident` filters) and optional blocks, and refuses to print anything else.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment, Template

# What begins anything that Jinja does, and the printing of names, which needs no Jinja.
_MARKS = ("{{", "{%", "{#")
_PRINTED = re.compile(r'\{\{ (\w+) \| (\w+)(?:\("([^"]*)"(?:, "([^"]*)")?\))? \}\}')
_NAME = re.compile(r"\{(\w*)\}")


class _Sql(str):
    """Text that a filter made safe to stand in a statement."""

    __slots__ = ()


def quote_name(name: str) -> str:
    """`name` as a double-quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _ident(name: str) -> _Sql:
    return _Sql(quote_name(name))


def _idents(names: list[str]) -> _Sql:
    return _Sql(", ".join(quote_name(name) for name in names))


def _union(relations: list[str]) -> _Sql:
    """Return all rows of some relations; columns are matched by name."""
    return _Sql("\nunion all by name\n".join(f"select * from {quote_name(name)}" for name in relations))


def _order_by(columns: list[str]) -> _Sql:
    return _Sql(f"order by {_idents(columns)}" if columns else "")


def _each(items: Iterable[object], pattern: str, between: str = "") -> _Sql:
    """Return a text for each item, with its name at {}, or those that it has as {attribute}.

    Of a mapping there are {key} and {value}.
    """
    if isinstance(items, Mapping):
        items = [{"key": key, "value": value} for key, value in items.items()]
    return _Sql(between.join(_NAME.sub(partial(_named, item), pattern) for item in items))


def _named(item: Any, found: re.Match[str]) -> str:
    return quote_name(_part(item, found[1]) if found[1] else item)


def _part(item: Any, name: str) -> Any:
    return item[name] if isinstance(item, Mapping) else getattr(item, name)


def _as_shown(columns: Iterable[object]) -> _Sql:
    """Return columns under the names that users see, as text where they see text."""
    kinds = {False: "", True: "::varchar"}
    return _Sql(
        ", ".join(
            f"{quote_name(_part(c, 'name'))}{kinds[_part(c, 'as_text')]} as {quote_name(_part(c, 'shown'))}"
            for c in columns
        )
    )


_FILTERS: dict[str, Callable[..., _Sql]] = {
    "as_shown": _as_shown,
    "each": _each,
    "ident": _ident,
    "idents": _idents,
    "union": _union,
    "order_by": _order_by,
}


def _only_safe(value: object) -> object:
    if isinstance(value, _Sql) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise TypeError(f"raw text in SQL: {value!r}; bind it as $name, or print a name with | ident")


def folder() -> Path:
    """Return the folder of the SQL files: inside the installed package, else the checkout's `sql/`."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "sql"
    return packaged if packaged.is_dir() else package.parents[1] / "sql"


_folder = cache(folder)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, StrictUndefined  # slow to load, and few templates have anything to shape

    env = Environment(
        undefined=StrictUndefined,
        finalize=_only_safe,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(_FILTERS)
    return env


def names() -> list[str]:
    """Return every template's name, such as `plan/merge`, sorted."""
    root = folder()
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.sql"))


def render(name: str, **context: object) -> str:
    """Return the SQL text of template `name`.

    Raises:
        KeyError: for an unknown template.
        TypeError: where a template would print raw text.
    """
    text = _text(name)
    # Most have nothing to shape but names: Jinja takes longer to load than all of them to run.
    if any(mark in _PRINTED.sub("", text) for mark in _MARKS):
        return _template(name).render(**context)
    return _PRINTED.sub(partial(_print, context), text)


def _print(context: Mapping[str, object], found: re.Match[str]) -> str:
    name, how, *said = found.groups()
    return _FILTERS[how](context[name], *(text for text in said if text is not None))


@cache
def _text(name: str) -> str:
    try:
        return _folder().joinpath(f"{name}.sql").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KeyError(f"no SQL template {name!r} under {_folder()}") from None


@cache
def _template(name: str) -> "Template":
    return _environment().from_string(_text(name))
