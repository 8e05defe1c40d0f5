"""The hidden folder beside a destination that outputs are made in, and what a run that was killed left in it.

Its name follows from the destination's, so that the next run finds it:

    .NAME.lecompose/lock             held while a run lives
                    manifest.jsonl   for which request, and every file that is finished
                    outputs/         the outputs
                    replaced/        datasets on their way out, where names cannot be exchanged
                    scratch/         spilt and remuxed

Nothing else in there is touched.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from lecompose.composition.destination import refuse_existing, single_destination
from lecompose.composition.resume.atomic_rename import (
    Move,
    carry_out,
    inode,
    put,
    take_back,
)
from lecompose.composition.resume.journal import Finished, Manifest, Record, looked_at, read, started
from lecompose.composition.resume.lock import Lock, NoLocks, taken
from lecompose.concurrency import BackgroundTasks
from lecompose.dataset.catalog.source import is_dataset
from lecompose.errors import OutputExists, OutputUnwritable
from lecompose.files.fsync import sync_folder
from lecompose.version import __version__

__all__ = [
    "Move",
    "Staging",
    "carry_out",
    "settle",
    "take_back",
    "workspace",
]

_LOCK, _MANIFEST = "lock", "manifest.jsonl"
_FOLDERS = ("outputs", "replaced", "scratch")
_LONGEST_NAME = 255
# Less than this is read faster than a file is written down.
_SMALL_BYTES = 2**24
# What a run writes sooner is written again sooner, too, than anybody misses it.
_SOON_S = 20.0


@dataclass
class Staging:
    """A staging folder that is held.

    `left` is the manifest of a run that was killed, `held` what of it is taken over, by path; `notes` are
    for the user.
    """

    folder: Path
    lock: Lock | None
    left: list[Record]
    notes: list[str] = field(default_factory=list)
    held: dict[str, Finished] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    _manifest: Manifest | None = None
    _begun_s: float = field(default_factory=time.monotonic)
    _beside: BackgroundTasks = field(default_factory=partial(BackgroundTasks, 1), repr=False)

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def held_bytes(self) -> int:
        return sum(file.size_bytes for file in self.held.values())

    @property
    def stands(self) -> bool:
        """Whether the folder is still there, and ours."""
        return self.lock.stands if self.lock else self.folder.is_dir()

    def begin(self, fingerprint: str, command: str) -> None:
        """Take over what is finished of the same request, remove all else. Errors: OSError."""
        same = bool(self.left) and self.left[0].get("fingerprint") == fingerprint
        removed = _pruned(self.outputs, files := _finished(self.left) if same else {})
        if self.left and not same:
            self.notes.append(
                f"{removed:,} bytes that a killed run had written for another request were removed."
                f" ({self.folder})"
            )
        for move in self._left_moves():
            if move.done:  # what it replaced is no longer wanted, and its place is
                shutil.rmtree(move.aside, ignore_errors=True)
        self.held = {name: file for name, file in files.items() if (self.folder / name).is_file()}
        header = {"lecompose": __version__, "fingerprint": fingerprint, "command": command}
        records = [header, *({"file": name} | asdict(file) for name, file in self.held.items())]
        self._manifest = started(self.folder / _MANIFEST, records)
        sync_folder(self.folder)
        self.outputs.mkdir(exist_ok=True)

    def has(self, path: Path) -> bool:
        """Whether a killed run has finished the file; what is there in its place otherwise is removed."""
        known = self.held.get(self._name(path))
        if known is None:
            return False
        with suppress(OSError):
            if looked_at(path) == known:
                return True
        path.unlink(missing_ok=True)
        return False

    def finish(self, path: Path) -> None:
        """Note that a file is finished; safe from any thread. Errors: OutputUnwritable.

        Large ones are looked at while the run goes on, once it has lasted a while: that costs as much as
        copying them, and one that is not noted is only written again.
        """
        if path.stat().st_size < _SMALL_BYTES:
            self._note(path)
        else:
            self._beside.begin(self._note_later, [path])

    def _note_later(self, path: Path) -> None:
        if not self._beside.stopped.wait(self._begun_s + _SOON_S - time.monotonic()):
            self._note(path)

    def _note(self, path: Path) -> None:
        if self._manifest is None:
            return
        try:
            known = looked_at(path, self._beside.stopped)
            self._manifest.add({"file": self._name(path)} | asdict(known))
        except OSError as error:
            raise OutputUnwritable("cannot note what is written", reason=error, path=path) from error

    def intend(self, moves: Mapping[Path, Path], *, overwrite: bool, in_place: bool = False) -> list[Move]:
        """How folders get to their destinations, written down so that the next run knows where each may be.

        What is edited `in_place` may have others' files beside it, for the new folder has them too.
        Errors: OutputExists for what may not be replaced; OSError.
        """
        self._beside.stop()  # whoever takes over from here has nothing to write
        for to in moves.values() if not in_place else ():
            _refuse_intruder(to, overwrite=overwrite)
        self.moves = [self._move(staged, to) for staged, to in moves.items()]
        if self._manifest is not None:
            self._manifest.add({"moves": [_recorded(move, self.folder) for move in self.moves]}, sync=True)
        return self.moves

    def _move(self, staged: Path, to: Path) -> Move:
        return Move(staged, to, self.folder / "replaced" / staged.name, inode(staged), inode(to))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def close(self) -> None:
        """Remove the folder, but for what a killed run left that was not asked for again."""
        self._beside.stop()
        if self._manifest is not None:
            self._manifest.close()
        try:
            if self._only_copies() or not self._ours_to_remove():
                return
            untouched = self._manifest is None and bool(self.left) and not self._published()
            _removed(self.folder, ("scratch",) if untouched else _FOLDERS)
            if not untouched:
                _emptied(self.folder)
        finally:
            if self.lock:
                self.lock.release()

    def _ours_to_remove(self) -> bool:
        """Whether no other run has made itself a folder of this name since ours was removed."""
        return self.stands or (self.lock is not None and not os.path.lexists(self.lock.path))

    def _only_copies(self) -> bool:
        """Whether a replaced dataset is here and the new one is not in its place; then nothing is removed."""
        return any(not move.done and move.keeper for move in self.moves or self._left_moves())

    def _published(self) -> bool:
        """Whether a killed run had come to its end, but for the tidying up."""
        moves = self._left_moves()
        return bool(moves) and all(move.done for move in moves)

    def _left_moves(self) -> list[Move]:
        """The moves that a killed run was about to make, or had made."""
        said = [move for record in self.left for move in record.get("moves", ())]
        with suppress(KeyError, TypeError):
            return [_move_of(move, self.folder) for move in said]
        return []

    def put_back(self) -> None:
        """Put what a killed run had set aside back in its place. Errors: OutputUnwritable."""
        for move in self._left_moves():
            old = move.keeper
            if move.done or old is None:
                continue
            try:
                put(old, move.destination)
                sync_folder(move.destination.parent)
            except OSError as error:
                raise OutputUnwritable(
                    "a run was killed while it replaced a dataset, and the old one cannot be put back",
                    reason=error.strerror,
                    hint=f"move it back yourself from {old}",
                    path=move.destination,
                ) from error
            self.notes.append(
                f"a run was killed while it replaced this dataset; the old one is back. ({move.destination})"
            )


def _recorded(move: Move, folder: Path) -> Record:
    """Paths as seen from the folder: it may be mounted elsewhere when it is found."""
    return {
        "staged": move.staged.relative_to(folder).as_posix(),
        "destination": os.path.relpath(move.destination, folder),
        "inode": move.inode,
        "replaces": move.replaces,
    }


def _move_of(said: Record, folder: Path) -> Move:
    staged = folder / said["staged"]
    destination = Path(os.path.normpath(folder / said["destination"]))
    return Move(staged, destination, folder / "replaced" / staged.name, said["inode"], said["replaces"])


def _finished(records: list[Record]) -> dict[str, Finished]:
    wanted = {"file", "size_bytes", "crc32"}
    return {r["file"]: Finished(r["size_bytes"], r["crc32"]) for r in records if wanted <= r.keys()}


# The folder -------------------------------------------------------------------------------------


@contextmanager
def workspace(destination: Path) -> Iterator[Staging]:
    """The staging folder of a destination; gone afterwards unless the process is killed.

    It lies beside the destination, but inside of a folder that is there to receive several outputs.
    Errors: OutputBusy while another run holds it; OutputUnwritable where it cannot be made.
    """
    receives = destination.is_dir() and not is_dataset(destination)
    home = destination if receives else destination.parent
    made = [p for p in (home, *home.parents) if not p.exists()]
    try:
        with _writable(home):
            home.mkdir(parents=True, exist_ok=True)
            for folder in made:
                sync_folder(folder.parent)
            staging = _claimed(home / _folder_name(destination.name))
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
    Errors: OutputBusy while another run writes there; OutputUnwritable.
    """
    notes: list[str] = []
    for home in (destination.parent, destination):
        with _writable(home):
            staging = _found(home / _folder_name(destination.name))
        if staging:
            staging.close()
            notes += staging.notes
    return notes


def _found(folder: Path) -> Staging | None:
    """The folder, where a run has left one and not another one stands there; held."""
    there = os.path.isdir(folder) and not folder.is_symlink()  # noqa: PTH112 - where nobody may look it is False
    return _claimed(folder) if there and _is_ours(folder) else None


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


def _claimed(folder: Path) -> Staging:
    """The folder, held, and what a killed run had set aside back in its place."""
    if folder.is_symlink() or (folder.exists() and not _is_ours(folder)):
        raise OutputUnwritable(
            "something that is not ours stands where the output would be made",
            hint="move it away, or another -o",
            path=folder,
        )
    try:
        lock = taken(folder / _LOCK)
    except NoLocks:
        return _unlocked(folder)
    staging = Staging(folder, lock, read(folder / _MANIFEST))
    try:
        staging.put_back()
        _removed(folder, ("scratch",))
        staging.scratch.mkdir()
    except BaseException:
        lock.release()
        raise
    return staging


def _unlocked(folder: Path) -> Staging:
    """A folder that no other run has, where locks cannot tell."""
    _emptied(folder)
    unique = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    staging = Staging(
        unique, None, [], ["the output's file system has no locks: a killed run is not resumed"]
    )
    staging.scratch.mkdir()
    return staging


def _is_ours(folder: Path) -> bool:
    """Whether everything in it that has one of our names is what we make of it."""
    entries = {entry.name: entry for entry in folder.iterdir()}
    ours = [entries[name] for name in _FOLDERS if name in entries]
    if any(entry.is_symlink() or not entry.is_dir() for entry in ours):
        return False
    lock = entries.get(_LOCK)
    begun = bool(read(folder / _MANIFEST)) or not {"outputs", "replaced"} & entries.keys()
    return not entries or (lock is not None and lock.is_file() and not lock.is_symlink() and begun)


def _emptied(folder: Path) -> None:
    """Remove the rest; the lock goes last, for a folder without one is nobody's."""
    for name in (_MANIFEST, f"{_MANIFEST}.new", _LOCK):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # somebody put something in
        folder.rmdir()


def _removed(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)


def _pruned(folder: Path, keep: Mapping[str, Finished]) -> int:
    """The bytes of what was removed: all files but those kept, and folders that are empty then."""
    removed = 0
    for at, folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(at, name)
            if path.relative_to(folder.parent).as_posix() not in keep or path.is_symlink():
                removed += path.lstat().st_size
                path.unlink()
        for name in folders:
            path = Path(at, name)
            if path.is_symlink():
                path.unlink()
            else:
                with suppress(OSError):
                    path.rmdir()
    return removed


def _refuse_intruder(to: Path, *, overwrite: bool) -> None:
    try:
        refuse_existing(single_destination(to), overwrite=overwrite, roots=())
    except OutputExists as error:
        raise OutputExists("something appeared at the destination during the run", reason=error) from error
