"""Where an operation is tried on a broken dataset, and what is known of it without lecompose."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broken import SETTINGS, Broken
from broken.entry import DATA2, DATA3, META3, VIDEO2, VIDEO3

from recorder import record

Recorded = Callable[..., Path]
LAST = (DATA2, DATA3, VIDEO2, VIDEO3, META3)  # the files of the last episode, and of no other


@dataclass(frozen=True)
class Place:
    """The broken dataset at `root`, and the folder of the output; all below `home` is watched.

    `given` is a copy of the broken dataset, `whole` what it was before, `sound` another, v3.0, that goes with
    it. Nobody writes into these.
    """

    home: Path
    broken: Broken
    version: str
    given: Path
    whole: Path
    sound: Path

    @property
    def root(self) -> Path:
        return self.home / "bad"

    @property
    def out(self) -> Path:
        return self.home / "to" / "out"

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(settings(self.broken)["tasks"])

    @property
    def victim(self) -> int | None:
        """The row of the one episode that is broken; None where the whole dataset is."""
        if self.broken.episode is not None:
            return min(self.broken.episode, 2)
        return 2 if self.broken.file in LAST else None

    def number(self, row: int) -> int:
        """The number of the episode in this row of the list."""
        return 5 if row == 2 and self.broken.name == "gap in episode_index" else row


def settings(broken: Broken) -> dict[str, Any]:
    return SETTINGS | dict(broken.settings)


def made(folder: Path, broken: Broken, version: str, recorded: Recorded) -> Place:
    """A new place in `folder`; `recorded` gives shared datasets by the arguments of `record`."""
    said = settings(broken)
    whole = recorded(version=version, **said)
    sound = recorded(version="v3.0", **said | {"frames": (4, 3), "seed": 7})
    place = Place(folder / "home", broken, version, folder / "given" / "bad", whole, sound)
    shutil.copytree(whole, place.given)
    broken.damage(place.given)
    shutil.copytree(place.given, place.root)
    place.out.parent.mkdir()
    (place.out.parent / "notes.txt").write_text("mine")
    return place


def old_at(path: Path) -> None:
    """An older dataset, where the output is to go."""
    record(path, cameras=(), frames=(3, 4), seed=9)


def tree(root: Path) -> dict[str, str]:
    """Every name under `root`, folders too, and the digest of what it holds."""
    found = {}
    for path in sorted(root.rglob("*")):
        held = hashlib.blake2b(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[path.relative_to(root).as_posix()] = held
    return found
