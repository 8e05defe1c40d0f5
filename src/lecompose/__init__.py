"""Compose LeRobot datasets: merge them, look into them, check them.

    import lecompose
    report = lecompose.merge(["a", "b"], out="ab")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lecompose.errors import ComposeError as ComposeError
    from lecompose.sdk import Report as Report
    from lecompose.sdk import Summary as Summary
    from lecompose.sdk import Violation as Violation
    from lecompose.sdk import check as check
    from lecompose.sdk import info as info
    from lecompose.sdk import merge as merge

__version__ = "0.1.0"
__all__ = ["ComposeError", "Report", "Summary", "Violation", "check", "info", "merge"]


def __getattr__(name: str) -> Any:
    # DuckDB and pyarrow load at the first use, so that `lecompose --help` need not wait for them.
    if name not in __all__:
        raise AttributeError(f"module 'lecompose' has no attribute {name!r}")
    module = "lecompose.errors" if name == "ComposeError" else "lecompose.sdk"
    return getattr(import_module(module), name)
