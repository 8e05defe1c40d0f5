"""Broken datasets: each builder takes a copy of a sound toy dataset and breaks exactly one thing in it.

`TABLE` says of each which formats it applies to, which codes `check` must name and where, and what `merge`
of it comes to. Nothing of lecompose is imported: codes, severities and exit codes are told here anew.
"""

from collections.abc import Iterator

from broken.entry import EQUAL, SAME, SETTINGS, WORKS, Broken
from broken.files import FILES
from broken.metadata import METADATA
from broken.pictures import PICTURES
from broken.pointers import POINTERS
from broken.specs import SPECS

__all__ = ["EQUAL", "SAME", "SETTINGS", "TABLE", "WORKS", "Broken", "cases", "some_cases"]

TABLE: list[Broken] = [*FILES, *METADATA, *PICTURES, *POINTERS, *SPECS]


def cases() -> Iterator[tuple[str, Broken, str]]:
    """An id, the broken dataset and a format version: one row for each."""
    for broken in TABLE:
        for version in broken.versions:
            yield f"{broken.name}-{version}", broken, version


def some_cases() -> Iterator[tuple[str, Broken, str]]:
    """The same with one version each, for what takes longer; 10,000 features take too long."""
    for name, broken, version in cases():
        chosen = next((v for v in ("v3.0", "v2.1") if v in broken.versions), "v2.0")
        if version == chosen and "10,000" not in name:
            yield name, broken, version
