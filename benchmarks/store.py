"""The generated sources: made once, shared by the cases that want the same, gone after the last of them."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workloads import Case, Data

HERE = Path(__file__).resolve().parent


@dataclass
class Store:
    """Folders of sources on disk, and where there is a tmpfs, copies of them there."""

    disk: Path
    tmpfs: Path | None
    made: dict[tuple[Data, bool], Path] = field(default_factory=dict)
    count: int = 0

    def folder(self, case: Case) -> Path:
        """Where a case works."""
        return self.tmpfs if case.tmpfs and self.tmpfs else self.disk

    def sources(self, case: Case) -> list[Path]:
        """The sources of a case, in their order."""
        if (case.data, False) not in self.made:
            self.made[case.data, False] = self._generated(case.data)
        if case.tmpfs and (case.data, True) not in self.made:
            root = self._new(self.folder(case))
            self.made[case.data, True] = shutil.copytree(self.made[case.data, False], root)
        return sorted(self.made[case.data, case.tmpfs].iterdir())

    def _generated(self, data: Data) -> Path:
        root = self._new(self.disk)
        subprocess.run([sys.executable, str(HERE / "generate.py"), str(root), *data.options], check=True)
        return root

    def _new(self, folder: Path) -> Path:
        self.count += 1
        return folder / f"data-{self.count}"

    def release(self, later: Sequence[Case]) -> None:
        """Remove what none of the later cases needs."""
        for data, in_tmpfs in list(self.made):
            if not any(case.data == data and (case.tmpfs or not in_tmpfs) for case in later):
                shutil.rmtree(self.made.pop((data, in_tmpfs)))
