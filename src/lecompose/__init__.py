"""Compose LeRobot datasets: merge them, look into them, check them.

import lecompose
report = lecompose.merge(["morning", "evening"], out="day")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lecompose.errors import (
    ComposeError,
    EmptyOutput,
    FeatureMismatch,
    MediaError,
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

if TYPE_CHECKING:
    from lecompose.execute import Report
    from lecompose.sdk import check, info, merge
    from lecompose.stages.verify import Violation
    from lecompose.summary import Summary

__version__ = "0.1.0"
__all__ = [
    "ComposeError",
    "EmptyOutput",
    "FeatureMismatch",
    "MediaError",
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
    "Violation",
    "check",
    "info",
    "merge",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    # DuckDB and pyarrow load at the first use, so that `lecompose --help` need not wait for them.
    if name not in __all__:
        raise AttributeError(f"module 'lecompose' has no attribute {name!r}")
    return getattr(import_module("lecompose.sdk"), name)
