"""The folder that outputs are made in: whose it is, what of a killed run is kept, how outputs move."""

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lecompose.composition.resume import (
    Move,
    Staging,
    atomic_rename,
    move_back,
    move_into_place,
    settle,
    workspace,
)
from lecompose.composition.resume.atomic_rename import exchange, inode, rename_if_free
from lecompose.composition.resume.journal import checksum_file, read_journal
from lecompose.composition.resume.staging_folder import claim
from lecompose.errors import OutputBusy, OutputExists, OutputUnwritable


def dataset(folder: Path, content: str = "{}") -> Path:
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text(content)
    return folder


def killed(out: Path, fingerprint: str = "f", files: dict[str, bytes] | None = None) -> Staging:
    """What a run leaves that is killed when it has finished these files."""
    staging = claim(out.with_name(f".{out.name}.lecompose"))
    staging.resume(fingerprint, "lecompose merge")
    for name, content in (files or {}).items():
        path = staging.outputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        staging.finish(path)
    return died(staging)


def died(staging: Staging) -> Staging:
    """The kernel closes what a process has open; nobody removes anything."""
    assert staging.lock is not None
    staging.lock.release()
    return staging


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Whose it is ----------------------------------------------------------------------------------------


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritable), workspace(tmp_path / "file" / "a"):
        pass
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_workspace_leaves_nothing_behind(fails: bool, tmp_path: Path) -> None:
    def use(out: Path) -> Path:
        with workspace(out) as staging:
            staging.resume("f", "lecompose merge")
            (staging.outputs / "a").mkdir()
            (staging.scratch / "spilt").write_text("much")
            if fails:
                raise ValueError
            return staging.folder

    (tmp_path / "there").mkdir()
    for out, home in (
        (tmp_path / "deep" / "er" / "out", tmp_path / "deep" / "er"),
        (tmp_path / "there", tmp_path / "there"),
        (dataset(tmp_path / "held"), tmp_path),
    ):
        try:
            assert use(out).parent == home
        except ValueError:
            assert fails
    assert names(tmp_path) == ["held", "held/meta", "held/meta/info.json", "there"]


def test_a_second_run_is_told_who_is_writing_and_harms_nothing(tmp_path: Path) -> None:
    with workspace(tmp_path / "out") as first:
        first.resume("f", "lecompose merge")
        (first.outputs / "file").write_text("mine")
        for second in (lambda: workspace(tmp_path / "out").__enter__(), lambda: settle(tmp_path / "out")):
            with pytest.raises(OutputBusy, match=rf"process {os.getpid()} on .*, since \d{{4}}-"):
                second()
        assert first.stands
        assert (first.outputs / "file").read_text() == "mine"
    assert names(tmp_path) == []


def test_another_destination_is_another_matter(tmp_path: Path) -> None:
    with workspace(tmp_path / "a") as one, workspace(tmp_path / "b") as other:
        assert one.folder != other.folder


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127])
def test_a_name_of_any_length(name: str, tmp_path: Path) -> None:
    with workspace(tmp_path / name) as staging:
        assert staging.stands
    with workspace(tmp_path / name) as again:
        assert again.folder == staging.folder


@pytest.mark.parametrize("what", ["file", "files", "link", "outputs is a link", "no lock", "no manifest"])
def test_what_is_not_ours_is_not_touched(what: str, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / ".out.lecompose", tmp_path / "elsewhere"
    dataset(elsewhere)
    if what == "link":
        folder.symlink_to(elsewhere)
    elif what == "file":
        folder.write_text("precious")
    else:
        (folder / "outputs").parent.mkdir()
        if what == "outputs is a link":
            (folder / "outputs").symlink_to(elsewhere)
        else:
            dataset(folder / ("photos" if what == "files" else "outputs"))
        if what in ("outputs is a link", "no manifest"):
            (folder / "lock").write_text("{}")
    before = names(tmp_path)
    with pytest.raises(OutputUnwritable, match=r"did not make|cannot write"), workspace(tmp_path / "out"):
        pass
    assert settle(tmp_path / "out") == []
    assert names(tmp_path) == before


def test_what_somebody_puts_into_it_stays(tmp_path: Path) -> None:
    with workspace(tmp_path / "out") as staging:
        staging.resume("f", "lecompose merge")
        (staging.folder / "notes.txt").write_text("precious")
    assert names(tmp_path) == [".out.lecompose", ".out.lecompose/notes.txt"]


def test_the_folder_of_another_run_is_not_removed(tmp_path: Path) -> None:
    """Somebody removes the folder of a run under way, and starts another one."""
    with workspace(tmp_path / "out") as first:
        first.resume("f", "lecompose merge")
        first.folder.rename(tmp_path / "gone")
        assert not first.stands
        second = killed(tmp_path / "out", files={"a": b"other"})
    assert (second.outputs / "a").read_bytes() == b"other"


def test_a_lock_on_a_file_that_is_gone_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends removes the folder between the moment another one opens the lock and holds it."""
    flock, folder = fcntl.flock, tmp_path / ".out.lecompose"

    def late(fd: int, how: int) -> None:
        if not (tmp_path / "gone").exists():
            folder.rename(tmp_path / "gone")
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with workspace(tmp_path / "out") as staging:
        assert staging.stands
    assert names(tmp_path) == ["gone", "gone/lock"]


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run has a folder of its own then, as no run can tell whether another one lives."""

    def flock(fd: int, how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    with workspace(tmp_path / "out") as one, workspace(tmp_path / "out") as other:
        assert one.folder != other.folder
        assert one.stands
        one.resume("f", "lecompose merge")
        assert "no locks" in one.notes[0]
    assert names(tmp_path) == []


# What of a killed run is kept -----------------------------------------------------------------------


def test_the_same_request_goes_on(tmp_path: Path) -> None:
    left = killed(tmp_path / "out", files={"out/a": b"whole", "out/b": b"changed", "out/c": b"removed"})
    (left.outputs / "out/b").write_bytes(b"CHANGED")
    (left.outputs / "out/c").unlink()
    (left.outputs / "out/half").write_bytes(b"unfinished")
    with workspace(tmp_path / "out") as staging:
        staging.resume("f", "lecompose merge")
        assert staging.notes == []
        out = staging.outputs / "out"
        assert {n: staging.has_finished(out / n) for n in ("a", "b", "c", "half", "new")} == {
            "a": True, "b": False, "c": False, "half": False, "new": False,
        }  # fmt: skip
        assert names(staging.outputs) == ["out", "out/a"]


def test_it_goes_on_after_being_killed_twice(tmp_path: Path) -> None:
    killed(tmp_path / "out", files={"a": b"first"})
    killed(tmp_path / "out", files={"b": b"second"})
    with workspace(tmp_path / "out") as staging:
        staging.resume("f", "lecompose merge")
        assert staging.has_finished(staging.outputs / "a")
        assert staging.has_finished(staging.outputs / "b")


def test_another_request_removes_it_and_says_so(tmp_path: Path) -> None:
    killed(tmp_path / "out", files={"a": b"x" * 1234})
    with workspace(tmp_path / "out") as staging:
        staging.resume("other", "lecompose merge")
        assert not staging.has_finished(staging.outputs / "a")
        assert names(staging.outputs) == []
        assert "1,234 bytes" in staging.notes[0]


def test_a_request_that_fails_before_it_is_known_removes_nothing(tmp_path: Path) -> None:
    killed(tmp_path / "out", files={"a": b"hours of work"})
    with suppress(ValueError), workspace(tmp_path / "out") as staging:
        (staging.scratch / "spilt").write_text("much")
        raise ValueError
    settle(tmp_path / "out")
    assert names(tmp_path / ".out.lecompose") == ["lock", "manifest.jsonl", "outputs", "outputs/a"]


def test_a_manifest_that_was_cut_holds_what_comes_before(tmp_path: Path) -> None:
    left = killed(tmp_path / "out", files={"a": b"one", "b": b"two"})
    manifest = left.folder / "manifest.jsonl"
    whole = read_journal(manifest)
    assert [record.get("file") for record in whole] == [None, "outputs/a", "outputs/b"]
    content = manifest.read_bytes()
    for size in range(len(content)):
        manifest.write_bytes(content[:size])
        assert read_journal(manifest) == whole[: content[:size].count(b"\n")]
    manifest.write_bytes(content + b'[]\n{"file": "outputs/c"}\n')
    assert read_journal(manifest) == whole
    for strange in (b"\0" * 100, b"[]\n", b'{"file": 1}\n', b"\xff\n"):
        manifest.write_bytes(strange)
        assert read_journal(manifest) == []


def test_large_files_are_noted_while_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was not noted when it ends leaves nothing behind."""
    monkeypatch.setattr("lecompose.composition.resume.staging._SOON_S", 0.0)
    staging = claim(tmp_path / ".out.lecompose")
    staging.resume("f", "lecompose merge")
    large = b"\0" * 2**24
    for name, content in (("small", b"one"), ("large", large), ("larger", large + b"1")):
        (staging.outputs / name).write_bytes(content)
        staging.finish(staging.outputs / name)
    assert read_journal(staging.folder / "manifest.jsonl")[1]["file"] == "outputs/small"
    staging._beside.wait()
    noted = read_journal(staging.folder / "manifest.jsonl")[1:]
    assert [(record["file"], record["size_bytes"]) for record in noted] == [
        ("outputs/small", 3),
        ("outputs/large", 2**24),
        ("outputs/larger", 2**24 + 1),
    ]
    assert all(record["crc32"] == checksum_file(staging.folder / record["file"]).crc32 for record in noted)
    for _ in range(20):
        staging.finish(staging.outputs / "larger")
    staging.close()
    assert list(tmp_path.iterdir()) == []


def test_large_files_are_not_noted_before_the_run_has_lasted_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lecompose.composition.resume.staging._SOON_S", 0.3)
    staging = claim(tmp_path / ".out.lecompose")
    staging.resume("f", "lecompose merge")
    begun = time.monotonic()
    large = staging.outputs / "large"
    large.write_bytes(b"\0" * 2**24)
    staging.finish(large)
    assert len(read_journal(staging.folder / "manifest.jsonl")) == 1
    staging._beside.wait()
    assert time.monotonic() - begun > 0.2
    assert read_journal(staging.folder / "manifest.jsonl")[1]["file"] == "outputs/large"
    monkeypatch.setattr("lecompose.composition.resume.staging._SOON_S", 1000.0)
    staging.finish(large)
    staging.close()  # waits for nobody
    assert list(tmp_path.iterdir()) == []


def test_a_checksum_is_that_of_all_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * (2**20 + 7))
    first = checksum_file(path)
    assert first.size_bytes == 2**20 + 7
    for at in (0, 2**20, 2**20 + 6):
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        (tmp_path / "other").write_bytes(content)
        assert checksum_file(tmp_path / "other").crc32 != first.crc32


def test_what_was_published_before_the_kill_is_tidied_up(tmp_path: Path) -> None:
    left = killed(tmp_path / "out", files={"out/a": b"whole"})
    for move in left.intend({left.outputs / "out": tmp_path / "out"}, overwrite=False):
        move_into_place(move)
    assert settle(tmp_path / "out") == []
    assert names(tmp_path) == ["out", "out/a"]


# How outputs get in place ---------------------------------------------------------------------------


@pytest.fixture(params=["names can be exchanged", "names cannot be exchanged", "no flags at all"])
def renaming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """File systems of three kinds; what they refuse is refused as they do it: with False."""
    real = atomic_rename._try_rename

    def refused(source: Path, target: Path, flag: int) -> bool:
        exchanging = flag == atomic_rename._EXCHANGE
        return real(source, target, flag) if not exchanging and "exchanged" in request.param else False

    if request.param != "names can be exchanged":
        monkeypatch.setattr(atomic_rename, "_try_rename", refused)
    return request.param


def move(tmp_path: Path, *, old: bool) -> Move:
    staging = tmp_path / "staging"
    dataset(staging / "outputs" / "out", "new")
    replaces = inode(dataset(tmp_path / "out", "old")) if old else 0
    staged = staging / "outputs" / "out"
    return Move(staged, tmp_path / "out", staging / "replaced" / "out", inode(staged), replaces)


def stands(move: Move) -> str | None:
    path = move.destination / "meta" / "info.json"
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize("old", [False, True])
def test_a_move_and_back(old: bool, renaming: str, tmp_path: Path) -> None:
    there = move(tmp_path, old=old)
    before = names(tmp_path)
    move_back(there)  # of what has not begun there is nothing to undo
    assert names(tmp_path) == before
    move_into_place(there)
    assert (stands(there), there.done) == ("new", True)
    move_back(there)
    assert (stands(there), there.done) == ("old" if old else None, False)
    assert [name for name in names(tmp_path) if name != "staging/replaced"] == before


def test_a_move_to_a_name_that_is_taken(renaming: str, tmp_path: Path) -> None:
    """Even to an empty folder, which a plain rename replaces in silence."""
    there = move(tmp_path, old=False)
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError):
        move_into_place(there)
    move_back(there)
    assert names(tmp_path / "out") == []
    assert there.staged.is_dir()


def test_killed_between_two_renames_the_old_one_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = dataset(tmp_path / "out", "old")
    left = killed(out, files={"out/meta/info.json": b"new"})
    [there] = left.intend({left.outputs / "out": out}, overwrite=True)
    there.aside.parent.mkdir()
    rename_if_free(there.destination, there.aside)
    assert not out.exists()
    notes = settle(out)
    assert stands(there) == "old"
    assert "the old dataset is restored" in notes[0]
    with workspace(out) as staging:
        staging.resume("f", "lecompose merge")
        assert staging.has_finished(staging.outputs / "out/meta/info.json")


def test_an_old_one_whose_successor_was_moved_away_comes_back(tmp_path: Path) -> None:
    """Killed after the exchange, before the old dataset was removed; then somebody moves the new one."""
    out = dataset(tmp_path / "out", "old")
    left = killed(out)
    dataset(left.outputs / "out", "new")
    [there] = left.intend({left.outputs / "out": out}, overwrite=True)
    move_into_place(there)
    out.rename(tmp_path / "elsewhere")
    assert "the old dataset is restored" in settle(out)[0]
    assert stands(there) == "old"


def test_the_only_copy_is_never_removed(tmp_path: Path) -> None:
    """Something else has come to stand where the old dataset belongs: a person has to decide."""
    out = dataset(tmp_path / "out", "old")
    left = killed(out)
    dataset(left.outputs / "out", "new")
    [there] = left.intend({left.outputs / "out": out}, overwrite=True)
    there.aside.parent.mkdir()
    rename_if_free(there.destination, there.aside)
    dataset(out, "somebody's")
    for attempt in (lambda: settle(out), lambda: workspace(out).__enter__()):
        with pytest.raises(OutputUnwritable, match="cannot be restored") as told:
            attempt()
        assert str(there.aside) in str(told.value)
        assert (there.aside / "meta/info.json").read_text() == "old"
        assert stands(there) == "somebody's"


def test_a_run_that_cannot_put_it_back_leaves_the_only_copy(tmp_path: Path) -> None:
    out = dataset(tmp_path / "out", "old")
    with workspace(out) as staging:
        staging.resume("f", "lecompose merge")
        dataset(staging.outputs / "out", "new")
        [there] = staging.intend({staging.outputs / "out": out}, overwrite=True)
        there.aside.parent.mkdir()
        rename_if_free(there.destination, there.aside)
        dataset(out, "somebody's")
    assert (there.aside / "meta/info.json").read_text() == "old"
    assert stands(there) == "somebody's"


def test_what_is_about_to_be_moved_is_on_disk_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    with workspace(tmp_path / "out") as staging:
        staging.resume("f", "lecompose merge")
        dataset(staging.outputs / "out", "new")
        monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
        staging.intend({staging.outputs / "out": tmp_path / "out"}, overwrite=False)
        assert synced == [inode(staging.folder / "manifest.jsonl")]


@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_but_a_dataset_is_replaced(overwrite: bool, tmp_path: Path) -> None:
    with workspace(tmp_path / "out") as staging:
        staging.resume("f", "lecompose merge")
        dataset(staging.outputs / "out", "new")
        (tmp_path / "out").mkdir()
        with pytest.raises(OutputExists, match="appeared"):
            staging.intend({staging.outputs / "out": tmp_path / "out"}, overwrite=overwrite)


def test_names_are_exchanged_in_one_step_where_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this kernel or file system cannot exchange names")
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("b", "a")
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "missing")


def test_every_record_is_a_line_of_json(tmp_path: Path) -> None:
    left = killed(tmp_path / "o\nut", files={"a\n\udcff": b"odd"})
    lines = (left.folder / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line).get("file") for line in lines] == [None, "outputs/a\n\udcff"]
    assert json.loads(lines[0])["fingerprint"] == "f"
