"""What tells requests apart, so that only what belongs together is put together."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.effort import every_nth

import lecompose
from lecompose.composition import execute
from lecompose.errors import OutputUnwritable

Print = Callable[..., str]


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Print:
    """The fingerprint of an operation, which gets no further."""
    found: list[str] = []

    def seen(*given: Any, **named: Any) -> str:
        found.append(fingerprint(*given, **named))
        raise OutputUnwritable("far enough")

    fingerprint = execute.fingerprint
    monkeypatch.setattr(execute, "fingerprint", seen)

    def of(operation: str, *arguments: Any, **options: Any) -> str:
        with pytest.raises(OutputUnwritable, match="far enough"):
            getattr(lecompose, operation)(*arguments, out=tmp_path / "new" / "out", **options)
        return found[-1]

    return of


def test_the_same_request_has_the_same(printed: Print, make_dataset: Callable[..., Path]) -> None:
    source = make_dataset(name="a", codec="h264")
    assert printed("merge", source) == printed("merge", [source], threads=1, memory="2GB", overwrite=True)


def test_everything_that_changes_what_is_written_changes_it(
    printed: Print, make_dataset: Callable[..., Path]
) -> None:
    one, other = make_dataset(name="a", codec="h264"), make_dataset(name="b", codec="h264")
    requests = [
        ("merge", one),
        ("merge", [one, other]),
        ("merge", [other, one]),
        ("merge", {"x": one}),
        ("sort", one),
    ]
    found = [printed(op, given, **({"by": "length"} if op == "sort" else {})) for op, given in requests]
    found += [printed("merge", one, data_mb=1), printed("merge", one, row_groups="packed")]
    found += [printed("delete", one, episodes=episodes) for episodes in ("0", "1")]
    found += [printed("sample", one, seed=seed) for seed in (1, 2)]
    assert len(set(found)) == len(found)


def test_sql_that_gives_something_else_each_time(printed: Print, make_dataset: Callable[..., Path]) -> None:
    """The command is the same, the plan is not: nothing may be taken over."""
    source = make_dataset(name="a", cameras=(), frames=(1,) * 40)
    assert printed("sort", source, by="random()") != printed("sort", source, by="random()")


@every_nth(2)
@pytest.mark.parametrize(
    "which", ["meta/info.json", "meta/tasks.parquet", "meta/*/*/*", "data/*/*.parquet", "videos/*/*/*.mp4"]
)
def test_a_source_that_changed(which: str, printed: Print, make_dataset: Callable[..., Path]) -> None:
    source = make_dataset(name="a", codec="h264")
    before = printed("merge", source)
    path = next(source.glob(which))
    held = path.stat()
    os.utime(path, ns=(held.st_atime_ns, held.st_mtime_ns + 1))
    assert printed("merge", source) != before
    os.utime(path, ns=(held.st_atime_ns, held.st_mtime_ns))
    assert printed("merge", source) == before


def test_a_source_of_another_size(printed: Print, make_dataset: Callable[..., Path]) -> None:
    path = (source := make_dataset(name="a", codec="h264")) / "meta/info.json"
    before, held = printed("merge", source), path.stat()
    path.write_text(path.read_text() + " ")
    os.utime(path, ns=(held.st_atime_ns, held.st_mtime_ns))
    assert printed("merge", source) != before


def test_a_source_in_another_place(
    printed: Print, make_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said in the same words, from another folder."""
    found = set()
    for name in ("here/a", "there/a"):
        monkeypatch.chdir(make_dataset(name=name, codec="h264").parent)
        found.add(printed("merge", "a"))
    assert len(found) == 2


@pytest.mark.parametrize("operation", ["repair", "merge"])
def test_what_can_be_saved_of_the_same_is_the_same(
    operation: str, printed: Print, make_dataset: Callable[..., Path]
) -> None:
    """Its metadata is made anew by every run."""
    source = make_dataset(name="a", codec="h264")
    (source / "meta/stats.json").write_text("{")
    options = {"skip_broken": True} if operation == "merge" else {}
    before = printed(operation, source, **options)
    assert printed(operation, source, **options) == before
    info = source / "meta/info.json"
    info.write_text(info.read_text().replace("toy_arm", "toy_leg"))
    assert printed(operation, source, **options) != before


def test_what_is_no_file_in_meta_does_not_count(printed: Print, make_dataset: Callable[..., Path]) -> None:
    source = make_dataset(name="a", codec="h264")
    before = printed("merge", source)
    for name, to in (("loop", "loop"), ("nothing", "nowhere"), ("folder", "episodes")):
        (source / "meta" / name).symlink_to(to)
    os.mkfifo(source / "meta" / "pipe")
    assert printed("merge", source) == before
    (source / "meta" / "file").symlink_to("info.json")
    assert printed("merge", source) != before
