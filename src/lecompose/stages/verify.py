"""Opens what was written like a stranger's dataset and holds it against every promise of its format."""

from pathlib import Path

from lecompose.catalog import open_catalog
from lecompose.checks import PASSED_ON, findings
from lecompose.engine import Engine
from lecompose.errors import SourceError, VerifyError, listed


def verify(
    root: Path,
    *,
    engine: Engine,
    scratch: Path,
    row_groups: str | None = "episode",
) -> None:
    """Nothing, if the dataset in `root` keeps every promise of its format.

    Errors: VerifyError listing the violations, or why the dataset cannot even be opened.
    """
    try:
        with engine.apart() as other:
            all_found = findings(open_catalog(other, [root]), row_groups=row_groups, scratch=scratch)
    except SourceError as error:
        raise VerifyError(f"the dataset that was written cannot be opened: {error}") from error
    found = [finding for finding in all_found if finding.code not in PASSED_ON]
    if found:
        count = f"{len(found)} promise{'s' if len(found) > 1 else ''} of the format broken"
        raise VerifyError(f"{listed(f'{count} by the dataset that was written:', map(str, found))}\n({root})")
