"""The folder of a run whose jobs are carried out by others: what is to be done, and what they have done.

    .NAME.lecompose/jobs/request.json          the command, where it was given, and what tells it from others
                         plan.parquet          the plan that it led to
                         jobs.parquet          every job
                         files/WORKER/         what a worker writes
                         results/WORKER.jsonl  what it says of it

A worker writes below its own name only, and never into the outputs: whoever finishes the run takes from there
what is whole. So one that comes back late can spoil nothing.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.composition.runners.job_list import JobList
from lecompose.composition.runners.records import Records, read_records
from lecompose.errors import RequestError
from lecompose.files.fsync import sync_file, sync_folder
from lecompose.version import __version__

JOBS = "jobs"


@dataclass(frozen=True)
class PlannedRequest:
    """The command whose jobs are planned, as words of a command line, and the folder it was given in.

    `command` is what outputs remember of it.
    `scheduled` names what a scheduler was given, so that it can be asked of it, or take it back.
    """

    words: tuple[str, ...]
    command: str
    cwd: str
    fingerprint: str
    version: str = __version__
    scheduled: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class JobFolder:
    """The folder `jobs` in a staging folder."""

    path: Path

    @property
    def files(self) -> Path:
        return self.path / "files"

    @property
    def jobs_file(self) -> Path:
        return self.path / "jobs.parquet"

    @property
    def results(self) -> Path:
        return self.path / "results"

    @property
    def staging(self) -> Path:
        """The staging folder that it is in."""
        return self.path.parent

    @property
    def stands(self) -> bool:
        """Whether jobs are planned here; they no longer are once the outputs are in place."""
        return (self.path / "request.json").is_file()

    @cached_property
    def request(self) -> PlannedRequest:
        """The request. Raises RequestError if no jobs are planned here."""
        path = self.path / "request.json"
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RequestError(
                "no jobs are planned here", hint="lecompose jobs plan, which names the folder", path=self.path
            ) from error
        if said.get("version") != __version__:
            raise RequestError(
                f"these jobs were planned by version {said.get('version')}, this is {__version__}",
                hint="the same version on every machine",
                path=self.path,
            )
        lists = {name: tuple(said[name]) for name in ("words", "scheduled")}
        return PlannedRequest(**(said | lists))

    @cached_property
    def jobs(self) -> JobList:
        """The list of jobs."""
        return JobList(self.jobs_file)

    def read_plan(self) -> pa.Table:
        """Return the plan that the jobs are made of."""
        return pq.read_table(self.path / "plan.parquet")

    def read_records(self) -> Records:
        """Return what the workers have said so far."""
        return read_records(self.results, self.request.fingerprint)

    def write_request(self, request: PlannedRequest) -> None:
        """Write the request down, in one step. Raises OSError if that cannot be."""
        new = self.path / "request.json.new"
        new.write_text(json.dumps(asdict(request), indent=1), encoding="utf-8")
        sync_file(new)
        new.rename(self.path / "request.json")
        sync_folder(self.path)
        self.__dict__.pop("request", None)

    def begin(self) -> None:
        """Make the folder, empty. Raises OSError if that cannot be."""
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in (self.path, self.files, self.results):
            folder.mkdir()

    def write_plan(self, plan: pa.Table) -> None:
        """Write the plan down. Raises OSError if that cannot be."""
        pq.write_table(plan, path := self.path / "plan.parquet")
        sync_file(path)


def open_job_folder(staging: str | os.PathLike[str]) -> JobFolder:
    """Return the folder of jobs in a staging folder, or the one that is given itself.

    Raises:
        RequestError: if no jobs are planned there.
    """
    given = Path(staging).expanduser().absolute()
    folder = JobFolder(given if given.name == JOBS else given / JOBS)
    _ = folder.request  # raises
    return folder
