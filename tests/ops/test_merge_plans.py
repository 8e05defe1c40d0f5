"""Merging any data: nothing is lost, invented or reordered, whatever the lengths and tasks."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.effort import examples
from support.independent import assert_merged, read

import lecompose
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


@settings(max_examples=examples(2, whole=20), suppress_health_check=[HealthCheck.function_scoped_fixture])
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
