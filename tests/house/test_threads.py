"""Threads are begun in one place, so that one way to end them is enough."""

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "lecompose"
# The latter waits for DuckDB beside the main thread.
MAY = {"concurrency.py", "engine/connections.py"}


def test_pools_are_made_by_concurrency_alone() -> None:
    makers = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(r"ThreadPoolExecutor|threading\.Thread\b|import Thread\b", path.read_text("utf-8"))
    }
    assert makers <= MAY
