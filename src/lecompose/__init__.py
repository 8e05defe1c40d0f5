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
    from lecompose.api.datasets import Datasets
    from lecompose.api.operations import (
        check,
        compose,
        delete,
        edit_features,
        edit_info,
        edit_tasks,
        filter,
        info,
        merge,
        open,
        query,
        repair,
        sample,
        sort,
        split,
        stats,
    )
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
    "check",
    "compose",
    "delete",
    "edit_features",
    "edit_info",
    "edit_tasks",
    "filter",
    "info",
    "merge",
    "open",
    "query",
    "repair",
    "sample",
    "sort",
    "split",
    "stats",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    # DuckDB and pyarrow load at the first use, so that `lecompose --help` need not wait for them.
    if name not in __all__:
        raise AttributeError(f"module 'lecompose' has no attribute {name!r}")
    return getattr(import_module("lecompose.api.operations"), name)
