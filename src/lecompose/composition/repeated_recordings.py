"""Recordings that a plan takes from several sources: copies of one dataset, or what was composed of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lecompose.dataset.catalog import Catalog
from lecompose.errors import count_of

# A footer, or its end: where every page lies, and the least and the most in it.
_FOOTER_BYTES = 2**16


@dataclass(frozen=True)
class _SharedOrigin:
    """Episodes of an output that come from the same recording, by the lineage of their sources."""

    out_dataset: str
    episodes: int
    example: str


@dataclass(frozen=True)
class _EqualSize:
    """Data files of several sources that have the same size."""

    sources: list[str]
    files: list[str]


def find_repeated(catalog: Catalog, roots: Sequence[Path]) -> Iterator[str]:
    """Yield notes on recordings that the relation `plan` takes from more than one of the folders `roots`."""
    if len(set(roots)) < 2:
        return
    copied = _find_copies(
        catalog, {s.name: str(root) for s, root in zip(catalog.sources, roots, strict=True)}
    )
    if copied:
        yield copied
    for shared in catalog.engine.records("plan/shared_origins", _SharedOrigin):
        come = count_of(shared.episodes, "episode comes", "episodes come")
        yield (f"{come} from recordings that another source holds, too, by their lineage: {shared.example}")


def _find_copies(catalog: Catalog, roots: Mapping[str, str]) -> str | None:
    """Return a note on data files that several sources have alike; None if there are none."""
    pairs: dict[tuple[str, str], int] = {}
    for equal in catalog.engine.records("plan/equal_sizes", _EqualSize):
        alike: dict[bytes, dict[str, str]] = {}
        for source, file in zip(equal.sources, equal.files, strict=True):
            alike.setdefault(_read_end(Path(file)), {}).setdefault(roots[source], source)
        for held in alike.values():
            first, *others = sorted(held.values())
            for other in others:
                pairs[first, other] = pairs.get((first, other), 0) + 1
    if not pairs:
        return None
    said = [f'"{one}" and "{other}" ({count} data files)' for (one, other), count in pairs.items()]
    more = f" and {len(said) - 3} more pairs" if len(said) > 3 else ""
    return f"these sources hold the same recordings: {'; '.join(said[:3])}{more}"


def _read_end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _FOOTER_BYTES))
        return file.read()
