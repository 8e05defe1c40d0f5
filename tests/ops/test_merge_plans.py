"""Merging any data: nothing is lost, invented or reordered, whatever the lengths and tasks."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from effort import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from independent import assert_merged, read

import lecompose
from lecompose.engine import Engine, open_engine
from recorder import record

TASKS = ("pick", "place", "wave", "pick ", "größer", "")
source = st.fixed_dictionaries(
    {
        "version": st.sampled_from(["v2.0", "v2.1", "v3.0"]),
        "frames": st.lists(st.integers(1, 7), min_size=1, max_size=5),
        "tasks": st.lists(st.sampled_from(TASKS), min_size=1, max_size=4),
        "frames_per_data_file": st.sampled_from([None, 5, 9]),
        "episodes_per_meta_file": st.sampled_from([None, 2]),
        "mixed": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


@settings(max_examples=examples(3, whole=20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sources=st.lists(source, min_size=2, max_size=4),
    data_mb=st.sampled_from([100, 0.002, 0.004]),
    chunk_files=st.sampled_from([1000, 2]),
    row_groups=st.sampled_from(["episode", "packed"]),
)
def test_any_merge(
    sources: Sequence[dict[str, Any]], data_mb: float, chunk_files: int, row_groups: str, scratch: Path
) -> None:
    shutil.rmtree(scratch)
    roots = [recorded(scratch / f"{n}", seed=n, **settings) for n, settings in enumerate(sources)]
    out = scratch / "out"
    lecompose.merge(roots, out=out, data_mb=data_mb, chunk_files=chunk_files, row_groups=row_groups)
    made = assert_merged(out, roots, row_groups=row_groups)
    kept = [
        (n, episode, frame)
        for n, root in enumerate(roots)
        for episode, held in enumerate(read(root).episodes)
        for frame in range(len(held))
    ]
    assert [tuple(row) for e in made.episodes for row in e.rows["where"].to_pylist()] == kept


def recorded(root: Path, *, mixed: bool, tasks: list[str], seed: int, **settings: Any) -> Path:
    """A dataset without pictures whose every frame says where it is from."""
    where = {"where": ("int64", (3,), lambda episode, frame: (seed, episode, frame))}
    task_of = (lambda episode, frame: tasks[(episode + frame // 3) % len(tasks)]) if mixed else None
    return record(
        root, cameras=(), state_dim=2, action_dim=2, extra_features=where, tasks=tasks, task_of=task_of,
        seed=seed, **settings,
    )  # fmt: skip


# Files ----------------------------------------------------------------------------------------------

clip = st.tuples(st.integers(1, 60), st.integers(1, 30), st.booleans())


@settings(max_examples=examples(30, whole=100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    families=st.lists(st.lists(clip, min_size=1, max_size=30), min_size=1, max_size=3),
    limit_bytes=st.integers(1, 200),
    limit_frames=st.integers(1, 120),
)
def test_files_are_those_of_a_plain_loop(
    families: list[list[tuple[int, int, bool]]], limit_bytes: int, limit_frames: int, engine: Engine
) -> None:
    rows = [
        ("out", f"family {n}", episode, size, frames, must_break)
        for n, clips in enumerate(families)
        for episode, (size, frames, must_break) in enumerate(clips)
    ]
    names = ("out_dataset", "family", "out_episode", "size_bytes", "frames", "must_break")
    sized = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    if engine.has("sized"):
        engine.drop("sized")
    engine.load("sized", sized)
    given = engine.rows(
        "layout/files", {"sized": "sized"}, limit_bytes=limit_bytes, limit_frames=limit_frames
    )
    found = [(row["family"], row["out_episode"], row["file_number"]) for row in given]
    assert found == [
        (f"family {n}", episode, number)
        for n, clips in enumerate(families)
        for episode, number in enumerate(greedy(clips, limit_bytes, limit_frames))
    ]


def greedy(clips: list[tuple[int, int, bool]], limit_bytes: int, limit_frames: int) -> list[int]:
    """The file of each episode: the next one where it would be full, too long, or must not be appended to."""
    numbers: list[int] = []
    held_bytes = held_frames = number = 0
    for size, frames, must_break in clips:
        full = held_bytes + size >= limit_bytes or held_frames + frames > limit_frames
        if numbers and (full or must_break):
            number, held_bytes, held_frames = number + 1, 0, 0
        held_bytes, held_frames = held_bytes + size, held_frames + frames
        numbers.append(number)
    return numbers


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return open_engine(scratch=tmp_path_factory.mktemp("engine"), threads=1)
