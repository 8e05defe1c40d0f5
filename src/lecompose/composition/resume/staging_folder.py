"""Open the staging folder of a destination, with what a killed run has left in it."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lecompose.composition.resume.journal import (
    read_journal,
)
from lecompose.composition.resume.lock import NoLocks, acquire_lock
from lecompose.composition.resume.staging import FOLDERS, LOCK, MANIFEST, Staging, remove_folder, remove_parts
from lecompose.dataset.catalog.source import is_dataset
from lecompose.errors import OutputExists, OutputUnwritable
from lecompose.files.fsync import sync_folder

_LONGEST_NAME = 255


@contextmanager
def workspace(destination: Path) -> Iterator[Staging]:
    """Yield the staging folder of a destination; gone afterwards unless the process is killed.

    It lies beside the destination, but inside of a folder that is there to receive several outputs.

    Raises:
        OutputBusy: while another run holds it.
        OutputUnwritable: if it cannot be made.
    """
    receives = destination.is_dir() and not is_dataset(destination)
    home = destination if receives else destination.parent
    made = [p for p in (home, *home.parents) if not p.exists()]
    try:
        with _writable(home):
            home.mkdir(parents=True, exist_ok=True)
            for folder in made:
                sync_folder(folder.parent)
            staging = claim(home / _folder_name(destination.name))
        try:
            yield staging
        finally:
            staging.close()
    finally:
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def settle(destination: Path) -> list[str]:
    """Notes on what was mended: a dataset put back that a killed run had set aside, or nothing.

    What it had published already, and everything that no run could go on from, is removed.

    Raises:
        OutputBusy: while another run writes there.
        OutputUnwritable: if it cannot be put right.
    """
    notes: list[str] = []
    for home in (destination.parent, destination):
        with _writable(home):
            staging = _find_left(home / _folder_name(destination.name))
        if staging:
            staging.close()
            notes += staging.notes
    return notes


def _find_left(folder: Path) -> Staging | None:
    """Return the folder, where a run has left one and not another one stands there; held."""
    there = os.path.isdir(folder) and not folder.is_symlink()  # noqa: PTH112 - where nobody may look it is False
    return claim(folder) if there and _is_ours(folder) else None


@contextmanager
def _writable(home: Path) -> Iterator[None]:
    try:
        yield
    except OutputExists:
        raise
    except OSError as error:
        raise OutputUnwritable(
            "cannot write beside the output", reason=error.strerror or error, hint="another -o", path=home
        ) from error


def _folder_name(name: str) -> str:
    whole = f".{name}.lecompose"
    if len(os.fsencode(whole)) <= _LONGEST_NAME:
        return whole
    return f".{hashlib.blake2b(os.fsencode(name), digest_size=16).hexdigest()}.lecompose"


def claim(folder: Path) -> Staging:
    """Return the folder, held, and what a killed run had set aside back in its place."""
    if folder.is_symlink() or (folder.exists() and not _is_ours(folder)):
        raise OutputUnwritable(
            "something that lecompose did not make stands where the output would be made",
            hint="move it away, or choose another -o",
            path=folder,
        )
    try:
        lock = acquire_lock(folder / LOCK)
    except NoLocks:
        return _claim_without_lock(folder)
    staging = Staging(folder, lock, read_journal(folder / MANIFEST))
    try:
        staging.put_back()
        if not staging.has_jobs:
            remove_parts(folder, ("scratch",))
        staging.scratch.mkdir(parents=True)
    except BaseException:
        lock.release()
        raise
    return staging


def _claim_without_lock(folder: Path) -> Staging:
    """Return a folder that no other run has, where locks cannot tell."""
    remove_folder(folder)
    unique = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    staging = Staging(
        unique, None, [], ["the output's file system has no locks: a killed run is not resumed"]
    )
    staging.scratch.mkdir(parents=True)
    return staging


def _is_ours(folder: Path) -> bool:
    """Return whether everything in it that has one of our names is what we make of it."""
    entries = {entry.name: entry for entry in folder.iterdir()}
    ours = [entries[name] for name in FOLDERS if name in entries]
    if any(entry.is_symlink() or not entry.is_dir() for entry in ours):
        return False
    lock = entries.get(LOCK)
    begun = bool(read_journal(folder / MANIFEST)) or not {"outputs", "replaced"} & entries.keys()
    return not entries or (lock is not None and lock.is_file() and not lock.is_symlink() and begun)
