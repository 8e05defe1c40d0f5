"""The room that outputs need, and what is said when it runs out."""

import errno
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.effort import few

import lecompose
from lecompose.composition import disk_space
from lecompose.errors import OutputUnwritable


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def disk(free: int, total: int = 10**12) -> Callable[[Any], Usage]:
    return lambda path: Usage(total, total - free, free)


OPTIONS: list[dict[str, Any]] = [{}, {"row_groups": "packed"}, {"data_mb": 0.01, "video_mb": 0.01}]


@pytest.mark.parametrize(
    ("version", "options"), few(product(("v2.1", "v3.0"), OPTIONS), kept=lambda n: n == 5)
)
def test_what_is_needed_is_about_what_is_written(
    version: str, options: dict[str, Any], recorded: Callable[..., Path], tmp_path: Path
) -> None:
    """Never much too little; for toys, whose tables outweigh what they describe, it may be too much."""
    source = recorded(version=version, codec="h264", frames=(60, 40, 80), size=(160, 120), gop=10)
    told = lecompose.merge([source, source], out=tmp_path / "out", dry_run=True, **options).bytes_needed
    done = lecompose.merge([source, source], out=tmp_path / "out", **options)
    written = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert done.bytes_needed == told
    assert 0.7 * written < told < 2 * written


def test_too_little_room_is_told_before_the_first_byte(
    recorded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = recorded(cameras=())
    needed = lecompose.merge(source, out=tmp_path / "out", dry_run=True).bytes_needed
    monkeypatch.setattr(shutil, "disk_usage", disk(needed - 1))
    with pytest.raises(OutputUnwritable, match=r"not enough room: 0\.\d+ MB needed, 0\.\d+ MB free\. Try: "):
        lecompose.merge(source, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", disk(needed))
    assert lecompose.merge(source, out=tmp_path / "out").episodes == 3


def test_a_file_system_that_does_not_say(
    recorded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", disk(0, total=0))
    assert lecompose.merge(recorded(cameras=()), out=tmp_path / "out").episodes == 3
    assert disk_space.free_bytes(tmp_path / "missing") is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_full_disk_is_known_however_deep_it_lies(code: int) -> None:
    error = OutputUnwritable("cannot write")
    error.__cause__ = RuntimeError("a library's")
    error.__cause__.__context__ = OSError(code, "no")
    assert disk_space.is_disk_full(error) == (code != errno.EIO)


def test_a_full_disk_is_known_by_the_words_of_duckdb() -> None:
    words = 'IO Error: Could not write file "/x": No space left on device'
    assert disk_space.is_disk_full(OutputUnwritable("write/packed", reason=words))
    assert not disk_space.is_disk_full(
        OutputUnwritable("write/packed", reason="IO Error: Could not open file")
    )
