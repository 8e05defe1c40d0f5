"""What workers say: whole lines of the same request count, and what is spoilt does not."""

from pathlib import Path

from lecompose.composition.resume.journal import FinishedFile
from lecompose.composition.runners.records import Done, WorkerJournal, read_records
from lecompose.errors import MediaError


def say_done(folder: Path, number: int, *, fingerprint: str = "f") -> tuple[WorkerJournal, Done]:
    journal = WorkerJournal(folder, fingerprint)
    file = f"files/{journal.worker}/{number}/x.parquet"
    done = Done(number, journal.worker, file, FinishedFile(3, 7), 0.5, 1.0, {"bytes_copied": 3}, 40.0)
    journal.finish(done)
    return journal, done


def test_records_come_back(tmp_path: Path) -> None:
    journal, done = say_done(tmp_path, 4)
    journal.begin(5)
    journal.fail(
        5, MediaError("it cannot be read", source="a", episode=2, hint="repair", path=tmp_path / "v.mp4")
    )
    journal.fail(6, ValueError("odd"))
    journal.close()
    found = read_records(tmp_path, "f")
    assert found.done == {4: [done]}
    assert done.writer == journal.worker
    assert [begun.worker for begun in found.begun[5]] == [journal.worker]
    error = found.failed[5][0].error
    assert type(error) is MediaError
    assert str(error) == str(
        MediaError("it cannot be read", source="a", episode=2, hint="repair", path=tmp_path / "v.mp4")
    )
    assert str(found.failed[6][0].error) == "ValueError: odd"


def test_a_torn_line_ends_a_journal_and_no_other(tmp_path: Path) -> None:
    first, _ = say_done(tmp_path, 1)
    say_done(tmp_path, 2)
    torn = tmp_path / f"{first.worker}.jsonl"
    torn.write_bytes(torn.read_bytes()[:-5])
    assert list(read_records(tmp_path, "f").done) == [2]
    torn.write_bytes(b"")
    assert list(read_records(tmp_path, "f").done) == [2]


def test_those_of_another_request_do_not_count(tmp_path: Path) -> None:
    say_done(tmp_path, 1, fingerprint="other")
    assert read_records(tmp_path, "f").done == {}
    assert list(read_records(tmp_path, "other").done) == [1]


def test_what_is_spoilt_is_to_be_done_again(tmp_path: Path) -> None:
    """By whoever says it; a file that another worker has written of the same job still counts."""
    _, bad = say_done(tmp_path, 1)
    _, good = say_done(tmp_path, 1)
    _, alone = say_done(tmp_path, 2)
    finisher = WorkerJournal(tmp_path, "f")
    finisher.give_up(bad.file)
    finisher.give_up(alone.file)
    assert read_records(tmp_path, "f").done == {1: [good]}


def test_a_worker_takes_its_journal_with_it(tmp_path: Path) -> None:
    journal, _ = say_done(tmp_path, 1)
    journal.remove()
    journal.remove()
    assert not [*tmp_path.iterdir()]
