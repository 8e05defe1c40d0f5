"""Compose LeRobot datasets: merge, split, filter, sample and query them with SQL.

import lecompose
report = lecompose.merge(["morning", "evening"], out="day")
table = lecompose.open("day").query("select task, count(*) from episodes group by all order by all")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lecompose.errors import (
    ComposeError,
    EmptyOutput,
    FeatureMismatch,
    MediaError,
    OutputBusy,
    OutputError,
    OutputExists,
    OutputUnwritable,
    QueryError,
    RequestError,
    SourceBroken,
    SourceError,
    SourceNotFound,
    UnknownEpisode,
    UnsupportedVersion,
    VerifyError,
)
from lecompose.version import __version__ as __version__

if TYPE_CHECKING:
    from lecompose.api.check import check
    from lecompose.api.datasets import Datasets, open, query
    from lecompose.api.edits import edit_episodes, edit_features, edit_info, edit_tasks, repair
    from lecompose.api.info import info
    from lecompose.api.jobs import cancel_jobs, job_status, run_jobs
    from lecompose.api.operations import append, compose, delete, filter, merge, sample, sort, split
    from lecompose.api.pieces import cut, drop_frames, trim
    from lecompose.api.stats import stats
    from lecompose.checks import Finding
    from lecompose.composition.report import Report
    from lecompose.dataset.summary import Summary

__all__ = [
    "ComposeError",
    "Datasets",
    "EmptyOutput",
    "FeatureMismatch",
    "Finding",
    "MediaError",
    "OutputBusy",
    "OutputError",
    "OutputExists",
    "OutputUnwritable",
    "QueryError",
    "Report",
    "RequestError",
    "SourceBroken",
    "SourceError",
    "SourceNotFound",
    "Summary",
    "UnknownEpisode",
    "UnsupportedVersion",
    "VerifyError",
    "append",
    "cancel_jobs",
    "check",
    "compose",
    "cut",
    "delete",
    "drop_frames",
    "edit_episodes",
    "edit_features",
    "edit_info",
    "edit_tasks",
    "filter",
    "info",
    "job_status",
    "merge",
    "open",
    "query",
    "repair",
    "run_jobs",
    "sample",
    "sort",
    "split",
    "stats",
    "trim",
]


def __dir__() -> list[str]:
    return sorted(__all__)


# Where public names are made. Each loads at its first use, and only what it needs: `lecompose.info` does not
# wait for what writes datasets, and `lecompose --help` neither for DuckDB nor for pyarrow.
_PLACES = {
    "api.check": ("check",),
    "api.datasets": ("Datasets", "open", "query"),
    "api.edits": ("edit_episodes", "edit_features", "edit_info", "edit_tasks", "repair"),
    "api.info": ("info",),
    "api.jobs": ("cancel_jobs", "job_status", "run_jobs"),
    "api.operations": ("append", "compose", "delete", "filter", "merge", "sample", "sort", "split"),
    "api.pieces": ("cut", "drop_frames", "trim"),
    "api.stats": ("stats",),
    "checks": ("Finding",),
    "composition.report": ("Report",),
    "dataset.summary": ("Summary",),
}


def __getattr__(name: str) -> Any:
    for place, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"lecompose.{place}"), name)
    raise AttributeError(f"module 'lecompose' has no attribute {name!r}")
