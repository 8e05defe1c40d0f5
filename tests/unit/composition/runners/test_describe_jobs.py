"""How far jobs are: counted by kind, with those that are under way, slow, or failed."""

import time
from pathlib import Path

import pyarrow as pa
import pytest

from lecompose.composition.resume.journal import FinishedFile
from lecompose.composition.runners import describe_jobs
from lecompose.composition.runners.job_folder import JobFolder, PlannedRequest, open_job_folder
from lecompose.composition.runners.job_list import CHECK, Task
from lecompose.composition.runners.records import Done, WorkerJournal
from lecompose.errors import RequestError, SourceBroken


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / ".out.lecompose/jobs")
    folder.staging.mkdir()
    folder.begin()
    folder.write_plan(pa.table({"out_episode": [0]}))
    folder.write_request(PlannedRequest(("merge", "a", "-o", "out"), "lecompose merge a -o out", "/", "f"))
    every = [Task(n, "data file", "out", f"{n}.parquet", 100, ()) for n in range(4)]
    every.append(Task(4, CHECK, "out", "0.parquet", 100, (0,)))
    folder.__dict__["jobs"] = type("Jobs", (), {"tasks": tuple(every)})
    return folder


def test_how_far(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describe_jobs, "_LEAST_S", 0.0)
    journal, now = WorkerJournal(folder.results, "f"), time.time()
    journal.begin(0)
    file = f"files/{journal.worker}/0/x"
    journal.finish(Done(0, journal.worker, file, FinishedFile(1, 1), 0.001, now, {}))
    for _ in range(3):
        journal.begin(1)
        journal.fail(1, SourceBroken("it is gone"))
    journal.begin(2)
    time.sleep(0.05)
    found = describe_jobs.describe_jobs(folder)
    assert (found.command, found.jobs, found.done, found.under_way) == ("lecompose merge a -o out", 5, 1, 1)
    assert [(kind.kind, kind.jobs, kind.done) for kind in found.kinds] == [("data file", 4, 1), (CHECK, 1, 0)]
    assert [(failed.tries, failed.error) for failed in found.failed] == [(3, "it is gone")]
    assert [slow.worker for slow in found.slow] == [journal.worker]
    assert found.bytes_per_s > 0
    assert found.left_s is not None
    assert found.as_dict()["workers"] == 1


def test_before_anybody_came(folder: JobFolder) -> None:
    found = describe_jobs.describe_jobs(folder)
    assert (found.done, found.under_way, found.left_s, found.failed) == (0, 0, None, ())


def test_the_folder_or_the_one_in_it(folder: JobFolder) -> None:
    assert open_job_folder(folder.staging) == open_job_folder(folder.path) == folder


@pytest.mark.parametrize("content", ["", "{", None])
def test_no_jobs(folder: JobFolder, content: str | None) -> None:
    request = folder.path / "request.json"
    request.unlink() if content is None else request.write_text(content)
    with pytest.raises(RequestError, match="no jobs are planned here"):
        open_job_folder(folder.staging)


def test_jobs_of_another_version(folder: JobFolder) -> None:
    (folder.path / "request.json").write_text('{"version": "0.0.1"}')
    with pytest.raises(RequestError, match=r"planned by version 0\.0\.1"):
        open_job_folder(folder.staging)
