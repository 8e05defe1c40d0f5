"""A user's SQL inside the statement in which it is run."""

from collections.abc import Sequence
from dataclasses import dataclass

from lecompose.engine.vector_sql import name_window


@dataclass(frozen=True)
class UserText:
    """A user's text, and the statement around it in which DuckDB can say where it is wrong."""

    text: str
    before: str = ""
    after: str = ""
    windows: tuple[str, ...] = ()

    @property
    def opened(self) -> str:
        """Without what follows: a text that ends too early is then told at its own end."""
        return self.before + self.text

    @property
    def whole(self) -> str:
        return self.opened + self.after

    @property
    def shift(self) -> int:
        """The lines in front of the text."""
        return self.before.count("\n")


def beside(
    relation: str, keys: Sequence[str], expression: str, after: str = "", windows: tuple[str, ...] = ()
) -> UserText:
    """Return an expression over a relation, which has what `windows` give as columns, too."""
    columns = "".join(f", {window} as {name_window(n)}" for n, window in enumerate(windows))
    rows = f"(select *{columns} from {relation})" if windows else relation
    return UserText(expression, f"from {rows} select {', '.join(keys)},\n", after, windows)
