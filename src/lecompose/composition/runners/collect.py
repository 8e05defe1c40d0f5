"""Take into the outputs what workers have written, once it is held against what they say of it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lecompose.composition.context import Run
from lecompose.composition.jobs import MeasurePicturesJob
from lecompose.composition.runners.job_folder import JobFolder
from lecompose.composition.runners.job_list import CHECK, MEASURE, Task
from lecompose.composition.runners.records import Done, Failed, Records, WorkerJournal
from lecompose.composition.runners.worker import first_records, holds
from lecompose.errors import ComposeError, OutputUnwritable


def collect(run: Run, folder: JobFolder) -> tuple[list[Task], Records]:
    """Take every file that is written into its output.

    Return the tasks whose files are missing, and what the workers have said, but of files that are spoilt.

    A file that another worker than its writer has checked is taken at its word, any other is read once more.
    One that does not hold what its writer said of it is given up: its job is to be done again.

    Raises:
        OutputUnwritable: if a file cannot be moved.
    """
    records = folder.read_records()
    first = first_records(records)
    tasks = folder.jobs.tasks
    checks = [done for n, each in records.done.items() if tasks[n].kind == CHECK for done in each]
    checked = {done.file for done in checks if done.worker != done.writer}
    written = [task for task in tasks if task.writes_output]
    spoilt: list[str] = []

    def take(task: Task) -> bool:
        path = run.folders[str(task.out_dataset)] / str(task.path)
        if run.staging.has_finished(path):
            return True
        for done in records.done.get(task.number, ()):
            if _take(run, folder, path, done, is_checked=done.file in checked):
                return True
            spoilt.append(done.file)
        return False

    taken = run.workers.each(written, take)
    missing = [task for task, is_there in zip(written, taken, strict=True) if not is_there]
    _give_up(folder, spoilt)
    records.drop(spoilt)
    if not missing:
        _count(run, tasks, first)
        _take_seen(
            run, folder, [task for task in tasks if task.kind == MEASURE and task.number in first], first
        )
    return missing, records


def _give_up(folder: JobFolder, spoilt: Sequence[str]) -> None:
    """Note which files cannot be taken. Raises OutputUnwritable if that cannot be."""
    if not spoilt:
        return
    try:
        journal = WorkerJournal(folder.results, folder.request.fingerprint)
        try:
            for file in spoilt:
                journal.give_up(file)
        finally:
            journal.close()
    except OSError as error:
        raise OutputUnwritable(
            "cannot note what is to be done again", reason=error, path=folder.path
        ) from error


def _take_seen(run: Run, folder: JobFolder, tasks: Sequence[Task], first: Mapping[int, Done]) -> None:
    """Note what others have seen in pictures; where nobody has looked, the stage of statistics does."""

    def take(task: Task) -> None:
        job, done = folder.jobs.read_job(task.number), first[task.number]
        file = folder.path / done.file
        if isinstance(job, MeasurePicturesJob) and holds(folder, file, done.content):
            run.seen_pictures[job.out_dataset, job.measured, job.camera.name] = file

    if tasks:
        run.workers.each(tasks, take)


def _take(run: Run, folder: JobFolder, path: Path, done: Done, *, is_checked: bool) -> bool:
    """Move a file to its place; return whether it was whole."""
    file = folder.path / done.file
    if not holds(folder, file, done.content, only_size=is_checked):
        return False
    try:
        # Noted first: killed in between, the file is still found where its record says.
        run.staging.note_finished(path, done.content)
        path.parent.mkdir(parents=True, exist_ok=True)
        file.rename(path)
    except OSError as error:
        raise OutputUnwritable("cannot take what a worker wrote", reason=error, path=file) from error
    return True


def _count(run: Run, tasks: Sequence[Task], first: dict[int, Done]) -> None:
    """Count what workers did as if this process had done it."""
    for done in first.values():
        run.count_all(done.counts)
    run.count("files_written", sum(task.writes_output for task in tasks))
    clips = list(run.layout.encode_jobs)
    offset = len(run.layout.data_jobs)
    for n, span in enumerate(clips):
        psnr_db = first[offset + n].psnr_db if offset + n in first else None
        run.reencoded.extend(
            replace(clip, psnr_db=psnr_db) for clip in run.layout.reencoded_by_span.get(span, ())
        )


def refuse_unfinished(folder: JobFolder, missing: Sequence[Task], records: Records) -> None:
    """Refuse to go on where files are missing.

    Raises:
        ComposeError: the errors of tasks that failed.
        OutputUnwritable: if files are missing for no such reason: nobody has come to their jobs yet.
    """
    if not missing:
        return
    tasks = folder.jobs.tasks
    refuse_failed(folder, sorted({n for task in missing for n in (task.number, *task.needs)}), records)
    raise OutputUnwritable(
        f"{len(missing):,} of {sum(task.writes_output for task in tasks):,} files are not written yet",
        hint=f"lecompose jobs run {shlex.quote(str(folder.staging))}, and finish then",
        path=folder.path,
    )


def refuse_failed(folder: JobFolder, numbers: Sequence[int], records: Records) -> None:
    """Refuse to go on where one of these tasks has failed and is not done.

    Raises:
        ComposeError: with all of them, in the class of their errors where these are of one.
    """
    tasks = folder.jobs.tasks
    failed = [records.failed[n] for n in numbers if n in records.failed and n not in records.done]
    if not failed:
        return
    classes = {type(tries[-1].error) for tries in failed}
    raise (classes.pop() if len(classes) == 1 else ComposeError)(
        f"{len(failed):,} {'job' if len(failed) == 1 else 'jobs'} failed",
        parts=[_describe_failure(tasks[tries[-1].number], tries) for tries in failed],
        notes=[f"what is done is kept; lecompose jobs status {shlex.quote(str(folder.staging))} tells more"],
    )


def _describe_failure(task: Task, tries: Sequence[Failed]) -> str:
    hosts = ", ".join(dict.fromkeys(failed.host for failed in tries))
    times = "once" if len(tries) == 1 else f"{len(tries)} times"
    return f"{task.title}, tried {times} on {hosts}: {tries[-1].error}"
