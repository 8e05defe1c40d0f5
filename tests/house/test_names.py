"""The public names: adding one is a decision, losing one breaks somebody."""

import lecompose
from lecompose import errors

OPERATIONS = {
    "check", "compose", "delete", "edit_episodes", "edit_features", "edit_info", "edit_tasks", "filter",
    "info", "merge", "open", "query", "repair", "sample", "sort", "split", "stats", "cancel_jobs", "cut",
    "append", "drop_frames", "job_status", "run_jobs", "trim",
}  # fmt: skip
RESULTS = {"Datasets", "Finding", "Report", "Summary"}
ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
}


def test_public_names_are_pinned() -> None:
    assert set(lecompose.__all__) == OPERATIONS | RESULTS | ERRORS


def test_public_names_are_there_sorted_and_documented() -> None:
    assert list(lecompose.__all__) == sorted(lecompose.__all__)
    assert [name for name in lecompose.__all__ if not getattr(lecompose, name).__doc__] == []
