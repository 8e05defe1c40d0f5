"""What goes wrong while a dataset is read: told under a code, so that the rest can still be checked."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from lecompose.errors import ComposeError, MediaError, QueryError, SourceBroken
from lecompose.files.git_lfs import is_pointer

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """One thing that could not be read as it should.

    `lacks` is the relation of which, for this fault, a part is missing. A file that `is_unreadable` is not
    read again.
    """

    code: str
    path: Path | None
    problem: str
    episode: int | None = None
    feature: str | None = None
    lacks: str | None = None
    is_unreadable: bool = False


@dataclass(frozen=True)
class Damage:
    """All that could not be read of a dataset, or of a part of it.

    `silent` are relations of which a part is missing although no fault says so.
    """

    faults: tuple[Fault, ...] = ()
    silent: frozenset[str] = frozenset()

    def __or__(self, more: "Damage") -> "Damage":
        """Return both; a file that cannot be read is told once."""
        known = set(self.unreadable)
        added = []
        for fault in more.faults:
            if not (fault.is_unreadable and fault.path in known):
                added.append(fault)
            if fault.is_unreadable:
                known.add(fault.path)
        return Damage((*self.faults, *added), self.silent | more.silent)

    @property
    def lacking(self) -> frozenset[str]:
        """The relations of which a part is missing."""
        return self.silent.union(fault.lacks for fault in self.faults if fault.lacks is not None)

    @property
    def unreadable(self) -> frozenset[Path | None]:
        """The files that cannot be read."""
        return frozenset(fault.path for fault in self.faults if fault.is_unreadable)

    @property
    def left_out(self) -> frozenset[str | None]:
        """The features that no promise can be held against."""
        return frozenset(fault.feature for fault in self.faults if fault.code == "feature_specs")

    def without(self, code: str) -> "Damage":
        """Return the damage without the faults of a code: they were meant."""
        return replace(self, faults=tuple(fault for fault in self.faults if fault.code != code))


NO_DAMAGE = Damage()


def as_damage(*faults: Fault) -> Damage:
    """Return the damage that these faults are."""
    return NO_DAMAGE | Damage(faults)


def unreadable(
    code: str,
    path: Path,
    error: ComposeError,
    *,
    episode: int | None = None,
    feature: str | None = None,
    lacks: str | None = None,
) -> Fault:
    """Return why a file cannot be read: as `code`, unless a Git LFS pointer stands in its place."""
    pointer = is_pointer(path)
    return Fault(
        "lfs_pulled" if pointer else code,
        path,
        "a Git LFS pointer, not the file itself" if pointer else error.fault,
        episode=episode,
        feature=feature,
        lacks=lacks,
        is_unreadable=True,
    )


def try_to(
    read: Callable[[], T], *, otherwise: T, code: str, path: Path, lacks: str | None = None
) -> tuple[T, Damage]:
    """Return what `read` returns; where `path` cannot be read, `otherwise` and why."""
    try:
        return read(), NO_DAMAGE
    except (SourceBroken, QueryError, MediaError) as error:
        return otherwise, as_damage(unreadable(code, path, error, lacks=lacks))


def in_dataset(path: Path | None, root: Path) -> str | None:
    """Return a file as a finding names it: relative to the dataset's folder, if it is in there."""
    if path is None:
        return None
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def problem_in(fault: Fault, root: Path) -> str:
    """Return what a fault says, with files as `in_dataset` names them."""
    return fault.problem.replace(f"{root}/", "") if fault.is_unreadable else fault.problem
