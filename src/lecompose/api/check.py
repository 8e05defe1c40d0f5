"""`lecompose.check`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from lecompose.checks import Finding, examine
from lecompose.composition.named_sources import Source, name_sources
from lecompose.composition.open_sources import start_engine


def check(
    source: Source, *, decode: bool = False, threads: int | None = None, memory: str | None = None
) -> list[Finding]:
    """Return everything that is wrong with a dataset: each with code, severity, place and remedy.

    Reads metadata, parquet and video tables, and changes nothing. `decode` decodes every picture as well.
    What cannot be read is a finding too.

    Raises:
        SourceNotFound: for a folder that is not a dataset.
    """
    with (
        TemporaryDirectory(prefix="lecompose-") as folder,
        start_engine(Path(folder), threads, memory) as engine,
    ):
        return examine(engine, name_sources(source).paths[0], scratch=Path(folder), decode=decode)
