"""Progress bars on stderr, one a stage; silent where stderr is no terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lecompose.cli.terminal import printable, size
from lecompose.concurrency import Silent

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class _Bars:
    """`lecompose.run.Progress` on a terminal."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._now: TaskID | None = None
        self._done = self._of = self._episodes = self._of_episodes = 0

    def stage(self, name: str, size_bytes: int, episodes: int = 0) -> None:
        self._finish()
        self._done, self._of, self._episodes, self._of_episodes = 0, size_bytes, 0, episodes
        self._now = self._bars.add_task(f"{name:<8}", total=size_bytes or None, amount="")

    def warn(self, text: str) -> None:
        self._bars.console.print(_warning(text), markup=False, highlight=False)

    def advance(self, size_bytes: int, episodes: int = 0) -> None:
        if self._now is None:
            return
        self._done += size_bytes
        self._episodes += episodes
        amount = f"{size(min(self._done, self._of))} of {size(self._of)}"
        if self._of_episodes:
            amount += f", {self._episodes:,} of {self._of_episodes:,} episodes"
        self._bars.update(self._now, completed=self._done, amount=amount)

    def _finish(self) -> None:
        if self._now is not None:
            self._bars.update(self._now, total=max(1, self._of), completed=max(1, self._of))


class _Lines(Silent):
    """Shows no bars, but says what should be known before anything is written."""

    def warn(self, text: str) -> None:
        print(_warning(text), file=sys.stderr)


def _warning(text: str) -> str:
    return printable(f"before anything is written: {text}")


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[_Bars | Silent]:
    """Yield a progress to hand to the SDK; nothing is shown when `quiet`, and no bars off a terminal."""
    if quiet or not sys.stderr.isatty():
        yield Silent() if quiet else _Lines()
        return
    from rich.console import Console  # slow to load, and only for a terminal
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)
