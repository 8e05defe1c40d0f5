"""What goes wrong while a dataset is read: noted under a code, so that the rest can still be checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lecompose.dataset.catalog.source import is_pointer
from lecompose.errors import ComposeError, MediaError, QueryError, SourceBroken


@dataclass(frozen=True)
class Fault:
    """One thing that could not be read as it should; `file` is relative to the dataset's folder."""

    code: str
    file: str | None
    episode: int | None
    feature: str | None
    problem: str


@dataclass
class Reading:
    """The faults of one source; `lacking` are relations of which, for them, a part is missing.

    `unreadable` files have been told and are not looked at again; `left_out` are features that no
    promise can be held against.
    """

    root: Path
    faults: list[Fault] = field(default_factory=list)
    lacking: set[str] = field(default_factory=set)
    unreadable: set[Path] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)

    def note(
        self,
        code: str,
        path: Path | None,
        problem: str,
        *,
        episode: int | None = None,
        feature: str | None = None,
        lacks: str | None = None,
    ) -> None:
        """Keep a fault; `lacks` is the relation that is not whole for it."""
        self.faults.append(Fault(code, self.relative(path), episode, feature, problem))
        if lacks is not None:
            self.lacking.add(lacks)

    def broken(
        self,
        code: str,
        path: Path,
        error: ComposeError,
        *,
        episode: int | None = None,
        feature: str | None = None,
        lacks: str | None = None,
    ) -> None:
        """Note why a file cannot be read: as `code`, unless a Git LFS pointer stands in its place."""
        if path in self.unreadable:
            return
        self.unreadable.add(path)
        pointer = is_pointer(path)
        problem = "a Git LFS pointer, not the file itself" if pointer else without_path(error, path)
        problem = problem.replace(f"{self.root}/", "")
        self.note(
            "lfs_pulled" if pointer else code, path, problem, episode=episode, feature=feature, lacks=lacks
        )

    def forgive(self, code: str) -> None:
        """Take back what was noted under a code: it was meant."""
        self.faults = [fault for fault in self.faults if fault.code != code]

    @contextmanager
    def guarded(self, code: str, path: Path, *, lacks: str | None = None) -> Iterator[None]:
        """Note what is raised about `path` in place of raising it."""
        try:
            yield
        except (SourceBroken, QueryError, MediaError) as error:
            self.broken(code, path, error, lacks=lacks)

    def relative(self, path: Path | None) -> str | None:
        if path is None:
            return None
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def without_path(error: ComposeError, path: Path) -> str:
    """What an error says of a file, without the next step and the path: a finding has these of its own."""
    text = str(error).rstrip().removesuffix(f"({path})").rstrip(" .")
    return text.partition(" Try: ")[0].rstrip(" .").replace(f"{path.name} cannot be read: ", "")
