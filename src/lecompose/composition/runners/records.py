"""What workers say of the jobs they carry out: one journal a worker, which nobody else writes to.

A file counts as written when a record says so: records come after the file is on disk.
"""

import os
import platform
import secrets
import time
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lecompose import errors
from lecompose.composition.resume.journal import FinishedFile, Journal, Record, read_journal, start_journal
from lecompose.errors import ComposeError
from lecompose.version import __version__

# The facts of an error that is told in another process.
_FACTS = ("problem", "reason", "hint", "source", "episode", "feature")


@dataclass(frozen=True)
class Done:
    """A task that is carried out. `file` is what it wrote, or looked at, relative to the folder of jobs.

    `counts` are what reports add up, as bytes_copied. Units: seconds of wall time; `at_s` since 1970.
    """

    number: int
    worker: str
    file: str
    content: FinishedFile
    seconds: float
    at_s: float
    counts: Mapping[str, int]
    psnr_db: float | None = None

    @property
    def writer(self) -> str:
        """The worker that wrote the file; another one may only have looked at it."""
        return self.file.split("/")[1]


@dataclass(frozen=True)
class Failed:
    """A try that ended in an error."""

    number: int
    worker: str
    at_s: float
    error: ComposeError

    @property
    def host(self) -> str:
        """The machine that it was tried on."""
        return self.worker.rsplit("-", 2)[0]


@dataclass(frozen=True)
class Begun:
    """A try that began."""

    number: int
    worker: str
    at_s: float


@dataclass
class Records:
    """What all workers have said so far."""

    done: dict[int, list[Done]] = field(default_factory=dict)
    failed: dict[int, list[Failed]] = field(default_factory=dict)
    begun: dict[int, list[Begun]] = field(default_factory=dict)

    def list_failing_hosts(self, number: int) -> list[str]:
        """Return the machines on which a task that is not done has failed."""
        return [] if number in self.done else sorted({f.host for f in self.failed.get(number, ())})

    def drop(self, spoilt: Container[str]) -> None:
        """Forget the tasks that are carried out only in files that are spoilt: they are to be done again."""
        self.done = {
            number: kept
            for number, done in self.done.items()
            if (kept := [each for each in done if each.file not in spoilt])
        }


def name_host() -> str:
    """Return the name of this machine; on a cluster the one that SLURM knows it by."""
    name = os.environ.get("SLURMD_NODENAME") or platform.node()
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name)


class WorkerJournal:
    """The journal that one worker writes."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Begin a new one. Raises OSError if that cannot be."""
        host = name_host()
        self.worker = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
        header = {"lecompose": __version__, "fingerprint": fingerprint, "host": host, "pid": os.getpid()}
        self._journal: Journal = start_journal(folder / f"{self.worker}.jsonl", [header])

    def begin(self, number: int) -> None:
        """Say that a task begins."""
        self._journal.add({"begun": number, "at_s": time.time()})

    def finish(self, done: Done) -> None:
        """Say that a task is carried out; on disk when this returns."""
        self._journal.add({"done": done.number} | asdict(done), sync=True)

    def fail(self, number: int, error: BaseException) -> None:
        """Say that a try ended in an error."""
        record = {"failed": number, "at_s": time.time(), "error": type(error).__name__}
        self._journal.add(record | _describe_error(error), sync=True)

    def give_up(self, file: str) -> None:
        """Say that a file is gone, or does not hold what its writer said: its job is to be done again."""
        self._journal.add({"spoilt": file}, sync=True)

    def close(self) -> None:
        self._journal.close()

    def remove(self) -> None:
        """Remove the file: nobody will read it any more."""
        self._journal.path.unlink(missing_ok=True)


def read_records(folder: Path, fingerprint: str) -> Records:
    """Return what the workers have said in a folder, each journal read up to where it is whole."""
    found, spoilt = Records(), set[str]()
    for path in sorted(folder.glob("*.jsonl")):
        records = read_journal(path)
        if records and records[0].get("fingerprint") == fingerprint:
            for record in records[1:]:
                _sort_in(found, record, path.stem)
                spoilt |= {record["spoilt"]} if "spoilt" in record else set()
    if spoilt:
        found.drop(spoilt)
    return found


def _sort_in(found: Records, record: Record, worker: str) -> None:
    if "done" in record:
        number = record["done"]
        content = FinishedFile(**record["content"])
        facts = {name: record[name] for name in ("file", "seconds", "at_s", "counts", "psnr_db")}
        found.done.setdefault(number, []).append(Done(number, worker, content=content, **facts))
    elif "failed" in record:
        number = record["failed"]
        failed = Failed(number, worker, record["at_s"], _make_error(record))
        found.failed.setdefault(number, []).append(failed)
    elif "begun" in record:
        number = record["begun"]
        found.begun.setdefault(number, []).append(Begun(number, worker, record["at_s"]))


def _describe_error(error: BaseException) -> dict[str, Any]:
    if not isinstance(error, ComposeError):
        return {"problem": f"{type(error).__name__}: {error}"}
    facts = {name: getattr(error, name) for name in _FACTS}
    path = None if error.path is None else str(error.path)
    return facts | {"path": path, "parts": list(error.parts), "notes": list(error.notes)}


def _make_error(record: Mapping[str, Any]) -> ComposeError:
    """Return the error that a record tells of; what was no error of ours is a fault of ours."""
    found = getattr(errors, record["error"], ComposeError)
    cls = found if isinstance(found, type) and issubclass(found, ComposeError) else ComposeError
    facts = {name: record.get(name) for name in (*_FACTS[1:], "path")}
    return cls(record["problem"], **facts, parts=record.get("parts", ()), notes=record.get("notes", ()))
