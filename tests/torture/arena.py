"""Commands, the place where they are run, and what may be found there afterwards."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Tree = dict[str, str]


def tree(root: Path, *, but_for: str = "") -> Tree:
    """Every name under `root`, folders too, and the digest of what it holds; empty where there is nothing.

    Of files whose names end with `but_for` it is only known that they are there.
    """
    return {
        path.relative_to(root).as_posix(): "there"
        if but_for and path.name.endswith(but_for)
        else _digest(path)
        for path in sorted(root.rglob("*"))
        if root.is_dir()
    }


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    return hashlib.blake2b(path.read_bytes()).hexdigest() if path.is_file() else "folder"


def _can_link(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


@dataclass(frozen=True)
class Job:
    """A command; `outputs` are the folders that it makes, `replaces` whether older ones are there before.

    `beside` is what else stands in the arena before, and has to stand there afterwards. `encodes` where
    clips are encoded anew: the bytes of such a video are the encoder's business, and not always the same.
    What is written in place `begins` as this dataset, and has hard links to it: given again, the command
    would do the same to what it made.
    """

    name: str
    arguments: tuple[str, ...]
    sources: tuple[Path, ...]
    outputs: tuple[str, ...]
    replaces: bool = False
    beside: tuple[str, ...] = ()
    encodes: bool = False
    begins: Path | None = None

    def command(self, home: Path, *, overwrite: bool = False) -> list[str]:
        """The words of the command line; `@out` is a path in the arena."""
        said = [str(home / word[1:]) if word.startswith("@") else word for word in self.arguments]
        options = ["--overwrite"] if (self.replaces or overwrite) and not self.begins else []
        return [said[0], *map(str, self.sources), *said[1:], *options, "--json"]


@dataclass(frozen=True)
class Arena:
    """A folder in which one command is run, as often as it takes."""

    home: Path
    job: Job
    old: Path

    def prepare(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        for name in self.job.beside:
            (self.home / name).mkdir(parents=True)
            (self.home / name / "photo.png").write_bytes(b"precious")
        for name in self.job.outputs if self.job.replaces else ():
            copy = os.link if self.job.begins and _can_link(self.job.begins, self.home) else shutil.copy2
            shutil.copytree(self.job.begins or self.old, self.home / name, copy_function=copy)

    @cached_property
    def before(self) -> Tree:
        return tree(self.job.begins or self.old)

    def found(self) -> list[Tree]:
        """What stands at each destination."""
        encoded = ".mp4" if self.job.encodes else ""
        return [tree(self.home / name, but_for=encoded) for name in self.job.outputs]

    def state(self, results: Sequence[Tree]) -> list[str]:
        """What each destination holds: "old", "new", "nothing", or "wrong".

        "set aside" is the old one in the staging folder, and nothing in its place.
        """
        named = zip(self.job.outputs, self.found(), results, strict=True)
        return [self._state(Path(name), now, new) for name, now, new in named]

    def _state(self, output: Path, now: Tree, new: Tree) -> str:
        if now == new:
            return "new"
        if not self.job.replaces:
            return "wrong" if now else "nothing"
        aside = self.home.glob(f"**/.*.lecompose/replaced/{output.name}")
        if not now and any(tree(path) == self.before for path in aside):
            return "set aside"
        return "old" if now == self.before else "wrong"

    def left_over(self) -> list[str]:
        """What is in the arena that is neither an output nor was there before."""
        known = {Path(name).parts[0] for name in (*self.job.outputs, *self.job.beside)}
        strange = [path for path in self.home.iterdir() if path.name not in known]
        inside = [path for path in self.home.glob("*/*") if path.name.endswith(".lecompose")]
        return sorted(path.relative_to(self.home).as_posix() for path in [*strange, *inside])

    def beside_stands(self) -> bool:
        return all((self.home / n / "photo.png").read_bytes() == b"precious" for n in self.job.beside)

    def has_intruder(self) -> bool:
        """Whether what `faults.appears` put at the first destination is there."""
        photo = self.home / self.job.outputs[0] / "photo.png"
        return photo.is_file() and photo.read_bytes() == b"precious"
