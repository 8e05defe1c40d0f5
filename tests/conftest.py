"""Datasets for every test, recorded by the toy recorder in `examples/`: there are no binaries in git.

Read-only ones are made once and shared by all workers; that nobody wrote into them is checked at the end.
What a test changes comes from `make_dataset`, which hands out a copy.
"""

import fcntl
import gc
import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support.effort import Effort, leave_to_thorough

from lecompose.files.mp4.thread_priority import keep_thread_priority
from recorder import record

CHECKOUT = Path(__file__).resolve().parents[1]
Record = Callable[..., Path]

# What runs in the background of a shell is deaf to Ctrl-C, and so are the commands that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples at every run, and no clock: a slow machine is not a broken plan.
settings.register_profile("lecompose", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("lecompose")


@pytest.fixture(autouse=True)
def as_urgent_as_others() -> Iterator[None]:
    """SVT-AV1, in a test that encodes by itself, makes the whole worker a real-time process if it can."""
    with keep_thread_priority():
        yield


def pytest_configure(config: pytest.Config) -> None:
    Effort.whole = "not thorough" not in config.option.markexpr


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before pytest leaves out what is thorough."""
    leave_to_thorough(items)


def pytest_collection_finish() -> None:
    """Thousands of collected tests live to the end: no search for garbage looks through them again."""
    gc.freeze()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    """A function with the arguments of `record`; what it gives is shared: read it, never write into it."""
    own = tmp_path_factory.getbasetemp()
    of_all = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    # The settings are kept: a function's repr holds its address, and so equals only itself while it lives.
    given: dict[str, tuple[Path, dict[str, Any]]] = {}

    def give(**settings: Any) -> Path:
        key = repr(sorted(settings.items()))
        if key not in given:
            name = f"d{hashlib.sha1(key.encode()).hexdigest()[:10]}"
            folder = (own if " at 0x" in key else of_all) / "recorded"
            given[key] = record_once(folder / name, **settings), settings
        return given[key][0]

    yield give
    touched = [root.name for root, _ in given.values() if digest(root) != digest_file(root).read_text()]
    assert not touched, f"a test wrote into shared datasets {touched}: it needs `make_dataset`"


def record_once(root: Path, **settings: Any) -> Path:
    """The dataset in `root`, which the first worker that comes records."""
    root.parent.mkdir(exist_ok=True)
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not digest_file(root).is_file():
            shutil.rmtree(root, ignore_errors=True)  # what a failed recording left
            record(root, **settings)
            digest_file(root).write_text(digest(root))
    return root


def digest_file(root: Path) -> Path:
    return root.with_suffix(".digest")


@pytest.fixture(scope="session")
def dataset_v20(recorded: Record) -> Path:
    """3 episodes x 10 frames x 2 cameras in format v2.0. Read only."""
    return recorded(version="v2.0")


@pytest.fixture(scope="session")
def dataset_v21(recorded: Record) -> Path:
    """3 episodes x 10 frames x 2 cameras in format v2.1. Read only."""
    return recorded(version="v2.1")


@pytest.fixture(scope="session")
def dataset_v30(recorded: Record) -> Path:
    """3 episodes x 10 frames x 2 cameras in format v3.0. Read only."""
    return recorded(version="v3.0")


@pytest.fixture(scope="session")
def dataset_v30_many_files(recorded: Record) -> Path:
    """8 uneven episodes; data, each camera and meta/episodes change files where it suits them. Read only."""
    return recorded(
        version="v3.0",
        frames=(7, 10, 3, 12, 1, 9, 4, 6),
        tasks=("pick the cup", "place the cup", "wave"),
        codec="h264",
        seed=3,
        frames_per_data_file=20,
        frames_per_video_file={"front": 15, "wrist": 25},
        episodes_per_meta_file=3,
    )


@pytest.fixture
def make_dataset(recorded: Record, tmp_path: Path) -> Record:
    """A function with the arguments of `record`, and `name`; each call gives a dataset of the test's own."""
    count = 0

    def make(name: str | None = None, **settings: Any) -> Path:
        nonlocal count
        count += 1
        target = tmp_path / (name or f"dataset_{count}")
        return shutil.copytree(recorded(**settings), target)

    return make


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real recordings: $LECOMPOSE_REAL, or `shared/real` beside the checkout."""
    named = os.environ.get("LECOMPOSE_REAL")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "real"
    for name, episodes in (("g1_pick_a", 5), ("g1_pick_b", 4)):
        info = folder / name / "meta/info.json"
        if not info.is_file():
            pytest.skip(f"no real recordings at {folder}: set LECOMPOSE_REAL to a folder of LeRobot datasets")
        said = json.loads(info.read_text())
        if (said["codebase_version"], said["total_episodes"]) != ("v2.1", episodes):
            pytest.skip(
                f"{folder / name} is not the recording that these tests know: v2.1, {episodes} episodes"
            )
    return folder


def digest(root: Path) -> str:
    """Of every file's name and content under `root`."""
    state = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        state.update(path.relative_to(root).as_posix().encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()
