"""macrodata-refiner 0.3.9: read_lerobot → write_lerobot, on local workers."""

import os
import tempfile
from pathlib import Path
from typing import Any


def merge(sources: list[Path], out: Path, clock: Any) -> None:
    """One worker a core; where it keeps the state of a run is removed with it."""
    import refiner

    clock.mark("import")
    pipeline = refiner.read_lerobot([str(root) for root in sources]).write_lerobot(str(out / "all"))
    with tempfile.TemporaryDirectory() as rundir:
        found = pipeline.launch_local(name="merge", num_workers=os.cpu_count() or 1, rundir=rundir)
    clock.mark("merge")
    if found.failed:
        raise SystemExit(f"{found.failed} workers failed")
