"""What happens to a run: traps that are laid in the child alone. The product knows nothing of them."""

import ctypes
import itertools
import os
import platform
import resource
import shutil
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Hook = Callable[[], Any]


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_stage(stage: str, do: Callable[[Any], None], *, after: bool = False) -> Hook:
    """`do`, given the run, before or after a stage."""

    def lay() -> None:
        from lecompose.composition import execute

        def trapped(run: Any, work: Callable[[Any], None]) -> None:
            if not after:
                do(run)
            work(run)
            if after:
                do(run)

        execute.STAGES = tuple(
            (name, (lambda run, work=work: trapped(run, work)) if name == stage else work)
            for name, work in execute.STAGES
        )

    return lay


# Each call that changes a file system or makes it last is a moment to be killed at. ---------------

_AUDITED = frozenset(
    (
        "open",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.scandir",
        "shutil.rmtree",
        "tempfile.mkdtemp",
    )
)
_CALLED = ("fsync", "write", "pwrite", "ftruncate", "copy_file_range", "sendfile")


def counted(count: Callable[[int], None]) -> Hook:
    """Tell `count` the number of every such moment, before and after a rename, before all else."""
    numbers = itertools.count()

    def moment() -> None:
        count(next(numbers))

    def lay() -> None:
        from lecompose.composition.resume import atomic_rename

        for name in _CALLED:
            setattr(os, name, _told(getattr(os, name), moment))
        atomic_rename._try_rename = _told(atomic_rename._try_rename, moment, moment)
        sys.addaudithook(lambda event, _: moment() if event in _AUDITED else None)

    return lay


def _told(call: Callable[..., Any], before: Hook, after: Hook = lambda: None) -> Callable[..., Any]:
    def told(*given: Any, **named: Any) -> Any:
        before()
        result = call(*given, **named)
        after()
        return result

    return told


def at_moment(number: int) -> Hook:
    return counted(lambda now: killed() if now == number else None)


# System calls that fail, by a filter in the kernel: without any privilege, and for every thread. --------

_NUMBERS: dict[str, dict[str, tuple[int, ...]]] = {
    "x86_64": {
        "write": (1, 18, 20, 296),
        "copy": (326, 40),
        "read": (17, 295),
        "sync": (74, 75),
        "exchange": (316,),
        "lock": (73,),
    },
    "aarch64": {
        "write": (64, 68, 66, 70),
        "copy": (285, 71),
        "read": (67, 69),
        "sync": (82, 83),
        "exchange": (276,),
        "lock": (32,),
    },
}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVILEGES, _SET_FILTER, _ALL_THREADS = 38, 1, 1


def can_refuse() -> bool:
    """Whether this kernel and processor are among those whose calls can be refused here."""
    return sys.platform == "linux" and platform.machine() in _NUMBERS


def refused(kinds: str, code: int) -> None:
    """From here on system calls of these kinds fail with `code`, but for the terminal's three files."""
    machine = platform.machine()
    calls = [number for kind in kinds.split("+") for number in _NUMBERS[machine][kind]]
    rules = list(_program(_ARCHITECTURE[machine], calls, code))
    held = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    _done(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _done(libc.syscall(_SECCOMP[machine], _SET_FILTER, _ALL_THREADS, program))


def _program(architecture: int, calls: list[int], code: int) -> Iterator[tuple[int, int, int, int]]:
    count = len(calls)
    yield (_LOAD, 0, 0, 4)  # the architecture
    yield (_EQUAL, 0, count + 1, architecture)
    yield (_LOAD, 0, 0, 0)  # the number of the call
    for n, call in enumerate(calls):
        yield (_EQUAL, count - n, 0, call)
    yield (_RETURN, 0, 0, _ALLOW)
    yield (_LOAD, 0, 0, 16)  # its first argument, a descriptor (or AT_FDCWD, which is large)
    yield (_AT_LEAST, 0, 1, 3)
    yield (_RETURN, 0, 0, _ERRNO | code)
    yield (_RETURN, 0, 0, _ALLOW)


def _done(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def at_once(kinds: str, code: int) -> Hook:
    return lambda: refused(kinds, code)


def at_stage_refused(stage: str, kinds: str, code: int) -> Hook:
    return at_stage(stage, lambda run: refused(kinds, code))


# Disks, limits, rights, people --------------------------------------------------------------------


def filled(stage: str, left_bytes: int, filler: Path) -> Hook:
    """Somebody else fills the disk before a stage, but for so many bytes."""

    def fill(run: Any) -> None:
        step = 1 << 16
        with filler.open("wb", buffering=0) as file:
            while step:
                try:
                    file.write(bytes(step))
                except OSError:
                    step //= 2
            file.truncate(max(0, file.tell() - left_bytes))

    return at_stage(stage, fill)


def no_file_larger(stage: str, size_bytes: int) -> Hook:
    limit = (size_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    return at_stage(stage, lambda run: resource.setrlimit(resource.RLIMIT_FSIZE, limit))


def staging_removed(stage: str) -> Hook:
    return at_stage(stage, lambda run: shutil.rmtree(run.staging.folder))


def moved_away(stage: str, folder: Path) -> Hook:
    return at_stage(stage, lambda run: folder.rename(folder.with_name(f"{folder.name}.away")))


def removed(stage: str, folder: Path) -> Hook:
    return at_stage(stage, lambda run: shutil.rmtree(folder, ignore_errors=True))


def appears(stage: str, folder: Path) -> Hook:
    def appear(run: Any) -> None:
        if not folder.exists():
            folder.mkdir()
        (folder / "photo.png").write_bytes(b"precious")

    return at_stage(stage, appear)


def read_only(stage: str, folder: Path) -> Hook:
    return at_stage(stage, lambda run: folder.chmod(0o555))


_CAPABILITIES_V3 = 0x20080522


def without_privileges() -> None:
    """From here on rights count for root as for anybody; root stays the owner of what is root's."""
    if os.getuid() == 0:
        none = struct.pack("6I", 0, 0, 0, 0, 0, 0)
        _done(ctypes.CDLL(None, use_errno=True).capset(struct.pack("Ii", _CAPABILITIES_V3, 0), none))


_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000


def small_disk(folder: Path, size_bytes: int) -> None:
    """Give this process, and no other, a file system of that size at `folder`. Errors: OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    _done(libc.unshare(_NEW_MOUNTS | _NEW_USERS))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    options = f"size={size_bytes}".encode()
    _done(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options))
