"""What a run has in its staging folder: what is finished, and the renames that put outputs in place."""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from secrets import token_hex

from lecompose.composition.destination import refuse_existing, single_destination
from lecompose.composition.resume.atomic_rename import (
    Move,
    inode,
    rename_if_free,
)
from lecompose.composition.resume.journal import (
    FinishedFile,
    Journal,
    Record,
    checksum_file,
    start_journal,
)
from lecompose.composition.resume.lock import Lock
from lecompose.concurrency import BackgroundTasks
from lecompose.errors import OutputExists, OutputUnwritable
from lecompose.files.fsync import sync_folder
from lecompose.version import __version__

LOCK, MANIFEST = "lock", "manifest.jsonl"
FOLDERS = ("outputs", "replaced", "scratch", "jobs")
# A worker that comes back late may put a last file into a folder that is being removed.
_TRIES = 3
# Less than this is read faster than a file is written down.
_SMALL_BYTES = 2**24
# What a run writes sooner is written again sooner, too, than anybody misses it.
_SOON_S = 20.0


@dataclass
class Staging:
    """A staging folder that is held.

    `left_records` are the journal of a run that was killed, `finished` its files that are kept, by path;
    `notes` are for the user. What `keeps` stays when the run ends without outputs in place.
    """

    folder: Path
    lock: Lock | None
    left_records: list[Record]
    notes: list[str] = field(default_factory=list)
    finished: dict[str, FinishedFile] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    _journal: Journal | None = None
    keeps: bool = False
    _keeps_scratch: bool = False
    _name_of_run: str = field(default_factory=lambda: token_hex(4))
    _begun_s: float = field(default_factory=time.monotonic)
    _beside: BackgroundTasks = field(default_factory=partial(BackgroundTasks, 1), repr=False)

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def scratch(self) -> Path:
        """What this run spills; jobs that others carry out may read from that of an earlier run."""
        return self.folder / "scratch" / self._name_of_run

    @property
    def has_jobs(self) -> bool:
        """Whether jobs are planned here that others carry out."""
        return (self.folder / "jobs").is_dir()

    def keep(self) -> None:
        """Leave everything here when this run ends without outputs in place: others are at work on it."""
        self.keeps = True

    def keep_scratch(self) -> None:
        """Leave what this run spills, too: jobs that it plans read from there."""
        self._keeps_scratch = True

    @property
    def finished_bytes(self) -> int:
        return sum(file.size_bytes for file in self.finished.values())

    @property
    def stands(self) -> bool:
        """Whether the folder is still there, and ours."""
        return self.lock.stands if self.lock else self.folder.is_dir()

    def resume(self, fingerprint: str, command: str) -> None:
        """Resume a killed run of the same request: take over what it has finished, remove all else.

        Raises:
            OSError: if the journal cannot be written.
        """
        same = bool(self.left_records) and self.left_records[0].get("fingerprint") == fingerprint
        removed = _prune(self.outputs, files := _read_finished(self.left_records) if same else {})
        if self.left_records and not same:
            self.notes.append(
                f"{removed:,} bytes that a killed run had written for another request were removed."
                f" ({self.folder})"
            )
        for move in self._left_moves():
            if move.done:  # what it replaced is no longer wanted, and its place is
                shutil.rmtree(move.aside, ignore_errors=True)
        self.finished = {name: file for name, file in files.items() if (self.folder / name).is_file()}
        header = {"lecompose": __version__, "fingerprint": fingerprint, "command": command}
        records = [header, *({"file": name} | asdict(file) for name, file in self.finished.items())]
        self._journal = start_journal(self.folder / MANIFEST, records)
        sync_folder(self.folder)
        self.outputs.mkdir(exist_ok=True)

    def has_finished(self, path: Path) -> bool:
        """Whether a killed run has finished the file; what is there in its place otherwise is removed."""
        known = self.finished.get(self._name(path))
        if known is None:
            return False
        with suppress(OSError):
            if checksum_file(path) == known:
                return True
        path.unlink(missing_ok=True)
        return False

    def finish(self, path: Path) -> None:
        """Note that a file is finished; safe from any thread.

        Large ones are looked at while the run goes on, once it has lasted a while: that costs as much as
        copying them, and one that is not noted is only written again.

        Raises:
            OutputUnwritable: if it cannot be noted.
        """
        if path.stat().st_size < _SMALL_BYTES:
            self._note(path)
        else:
            self._beside.begin(self._note_later, [path])

    def note_finished(self, path: Path, content: FinishedFile) -> None:
        """Note that a file is finished that holds this; safe from any thread.

        Raises:
            OSError: if it cannot be noted.
        """
        name = self._name(path)
        if self._journal is not None:
            self._journal.add({"file": name} | asdict(content))
        self.finished[name] = content

    def _note_later(self, path: Path) -> None:
        if not self._beside.stopped.wait(self._begun_s + _SOON_S - time.monotonic()):
            self._note(path)

    def _note(self, path: Path) -> None:
        if self._journal is None:
            return
        try:
            known = checksum_file(path, self._beside.stopped)
            self._journal.add({"file": self._name(path)} | asdict(known))
        except OSError as error:
            raise OutputUnwritable("cannot note what is written", reason=error, path=path) from error

    def intend(self, moves: Mapping[Path, Path], *, overwrite: bool, in_place: bool = False) -> list[Move]:
        """Return how folders get to their destinations, written down: the next run knows where each may be.

        What is edited `in_place` may have others' files beside it, for the new folder has them too.

        Raises:
            OutputExists: for what may not be replaced.
            OSError: if it cannot be written down.
        """
        self._beside.stop()  # whoever takes over from here has nothing to write
        for to in moves.values() if not in_place else ():
            _refuse_intruder(to, overwrite=overwrite)
        self.moves = [self._move(staged, to) for staged, to in moves.items()]
        if self._journal is not None:
            self._journal.add(
                {"moves": [_move_to_record(move, self.folder) for move in self.moves]}, sync=True
            )
        return self.moves

    def _move(self, staged: Path, to: Path) -> Move:
        return Move(staged, to, self.folder / "replaced" / staged.name, inode(staged), inode(to))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def close(self) -> None:
        """Remove the folder, but for what a killed run left that was not asked for again."""
        self._beside.stop()
        if self._journal is not None:
            self._journal.close()
        try:
            if self._holds_only_copy() or not self._is_ours_to_remove():
                return
            if self.keeps and not self._is_done():
                if not self._keeps_scratch:
                    shutil.rmtree(self.scratch, ignore_errors=True)
                return
            untouched = self._journal is None and bool(self.left_records) and not self._is_published()
            if untouched:
                shutil.rmtree(self.scratch if self.has_jobs else self.folder / "scratch", ignore_errors=True)
            else:
                self._retire_jobs()
                remove_parts(self.folder, FOLDERS)
            if not untouched:
                remove_folder(self.folder)
        finally:
            if self.lock:
                self.lock.release()

    def _is_ours_to_remove(self) -> bool:
        """Return whether no other run has made itself a folder of this name since ours was removed."""
        return self.stands or (self.lock is not None and not os.path.lexists(self.lock.path))

    def _holds_only_copy(self) -> bool:
        """Whether a replaced dataset is here and the new one is not in its place; then nothing is removed."""
        return any(not move.done and move.keeper for move in self.moves or self._left_moves())

    def _is_published(self) -> bool:
        """Return whether a killed run had come to its end, but for the tidying up."""
        moves = self._left_moves()
        return bool(moves) and all(move.done for move in moves)

    def _retire_jobs(self) -> None:
        """Take jobs from where workers look for them, so that nobody begins another one."""
        if self.has_jobs:
            with suppress(OSError):
                (self.folder / "jobs").rename(self.folder / "scratch" / "jobs")

    def discard(self) -> None:
        """Forget what a killed run left: nobody asks for it any more."""
        if not self._holds_only_copy():
            self.left_records.clear()

    def _is_done(self) -> bool:
        """Return whether the outputs of this run are in place."""
        return bool(self.moves) and all(move.done for move in self.moves)

    def _left_moves(self) -> list[Move]:
        """Return the moves that a killed run was about to make, or had made."""
        said = [move for record in self.left_records for move in record.get("moves", ())]
        with suppress(KeyError, TypeError):
            return [_move_from_record(move, self.folder) for move in said]
        return []

    def put_back(self) -> None:
        """Put what a killed run had set aside back in its place.

        Raises:
            OutputUnwritable: if it cannot be put back.
        """
        for move in self._left_moves():
            old = move.keeper
            if move.done or old is None:
                continue
            try:
                rename_if_free(old, move.destination)
                sync_folder(move.destination.parent)
            except OSError as error:
                raise OutputUnwritable(
                    "a run was killed while it replaced a dataset, and the old dataset cannot be restored",
                    reason=error.strerror,
                    hint=f"move it back yourself from {old}",
                    path=move.destination,
                ) from error
            self.notes.append(
                "a run was killed while it replaced this dataset; the old dataset is restored."
                f" ({move.destination})"
            )


def _move_to_record(move: Move, folder: Path) -> Record:
    """Paths as seen from the folder: it may be mounted elsewhere when it is found."""
    return {
        "staged": move.staged.relative_to(folder).as_posix(),
        "destination": os.path.relpath(move.destination, folder),
        "inode": move.inode,
        "replaces": move.replaces,
    }


def _move_from_record(said: Record, folder: Path) -> Move:
    staged = folder / said["staged"]
    destination = Path(os.path.normpath(folder / said["destination"]))
    return Move(staged, destination, folder / "replaced" / staged.name, said["inode"], said["replaces"])


def _read_finished(records: list[Record]) -> dict[str, FinishedFile]:
    wanted = {"file", "size_bytes", "crc32"}
    return {r["file"]: FinishedFile(r["size_bytes"], r["crc32"]) for r in records if wanted <= r.keys()}


def remove_folder(folder: Path) -> None:
    """Remove the rest; the lock goes last, for a folder without one is nobody's."""
    for name in (MANIFEST, f"{MANIFEST}.new", LOCK):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # somebody put something in
        folder.rmdir()


def remove_parts(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        for _ in range(_TRIES):
            shutil.rmtree(folder / name, ignore_errors=True)
            if not os.path.lexists(folder / name):
                break


def _prune(folder: Path, keep: Mapping[str, FinishedFile]) -> int:
    """Return the bytes of what was removed: all files but those kept, and folders that are empty then."""
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
