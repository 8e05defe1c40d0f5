"""Opens what was written like a stranger's datasets and holds them against every promise of their format."""

from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path

from lecompose.checks import PASSED_ON, Finding, findings
from lecompose.dataset.catalog import open_catalog
from lecompose.engine import Engine
from lecompose.errors import SourceError, VerifyError

_TASK_COLUMNS = "task_columns"


def verify(
    roots: Sequence[Path],
    *,
    engine: Engine,
    scratch: Path,
    row_groups: str | None = "episode",
    task_columns: Collection[str] = (),
) -> None:
    """Check that the datasets in `roots` keep every promise of their format.

    All are checked at once: many small ones take no longer than one. `task_columns` were numbered as
    task_index is.

    Raises:
        VerifyError: listing the violations, or why a dataset cannot even be opened.
    """
    try:
        with engine.second_database() as other:
            catalog = open_catalog(other, roots)
            all_found = findings(catalog, row_groups=row_groups, scratch=scratch)
    except SourceError as error:
        raise VerifyError("the dataset that was written cannot be opened", reason=error) from error
    folders = {source.name: source.root for source in catalog.sources}
    passed_on = {*PASSED_ON} - {_TASK_COLUMNS}
    found = [
        finding
        for finding in sorted(all_found, key=lambda f: f.src_dataset)
        if finding.code not in passed_on
        and (finding.code != _TASK_COLUMNS or finding.feature in task_columns)
    ]
    if found:
        parts = groupby(found, key=lambda finding: folders[finding.src_dataset])
        errors = [_broken_promises(root, list(of_root)) for root, of_root in parts]
        raise errors[0] if len(errors) == 1 else VerifyError("\n".join(map(str, errors)))


def _broken_promises(root: Path, found: list[Finding]) -> VerifyError:
    count = f"{len(found)} promise{'s' if len(found) > 1 else ''} of the format broken"
    return VerifyError(f"{count} by the dataset that was written", parts=map(str, found), path=root)
