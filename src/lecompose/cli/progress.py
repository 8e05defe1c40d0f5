"""Progress bars on stderr, one a stage; silent where stderr is no terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from lecompose.run import Silent


class _Bars:
    """`lecompose.run.Progress` on a terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._now: TaskID | None = None
        self._episodes = self._of = 0

    def stage(self, name: str, size_bytes: int, episodes: int = 0) -> None:
        self._finish()
        self._episodes, self._of = 0, episodes
        self._now = self._bars.add_task(f"{name:<8}", total=size_bytes or None, episodes="")

    def advance(self, size_bytes: int, episodes: int = 0) -> None:
        if self._now is None:
            return
        self._episodes += episodes
        shown = f"{self._episodes}/{self._of} episodes" if self._of else ""
        self._bars.update(self._now, advance=size_bytes, episodes=shown)

    def _finish(self) -> None:
        if self._now is not None:
            task = self._bars.tasks[-1]
            self._bars.update(self._now, total=task.total or 1, completed=task.total or 1)


@contextmanager
def shown(*, quiet: bool) -> Iterator[_Bars | Silent]:
    """A progress to hand to the SDK; nothing is shown when `quiet` or off a terminal."""
    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[episodes]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)
