"""Where outputs go, and whether they may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lecompose.errors import OutputExists, OutputUnwritable, RequestError


@dataclass(frozen=True)
class Destinations:
    """The folder of each output: `root` itself for a single one, else a folder of its name in it."""

    root: Path
    folders: Mapping[str, Path]

    @property
    def appear_at_once(self) -> bool:
        """Whether one rename puts all outputs in place: their common folder is not there yet."""
        return self.root not in self.folders.values() and not self.root.exists()


# What a dataset folder holds; the last two are what downloads leave there.
_PARTS = frozenset(("meta", "data", "videos", "images", ".cache", ".gitattributes"))


def single(root: Path) -> Destinations:
    return Destinations(root, {root.name: root})


def several(root: Path, outputs: Sequence[str]) -> Destinations:
    """Errors: RequestError for a name that cannot be a folder."""
    wrong = [name for name in outputs if not _can_be_folder(name)]
    if wrong:
        raise RequestError(f'an output is a folder, and cannot be named "{wrong[0]}"')
    if len({name.casefold() for name in outputs}) < len(outputs):
        raise RequestError(
            f"outputs that differ in case only are one folder on some disks: {', '.join(outputs)}"
        )
    return Destinations(root, {name: root / name for name in outputs})


def _can_be_folder(name: str) -> bool:
    return name not in ("", ".", "..") and not {"/", "\0"} & set(name) and len(name.encode()) <= 255


def is_dataset(folder: Path) -> bool:
    return (folder / "meta" / "info.json").is_file()


def refuse_taken(destinations: Destinations, *, overwrite: bool, roots: Sequence[Path]) -> None:
    """Nothing, where a run may publish at every destination.

    Errors: OutputExists for anything there, unless `overwrite` and it is a dataset, and never one of the
    sources; OutputUnwritable where a destination and a source lie inside each other, or cannot be seen.
    """
    for folder in destinations.folders.values():
        try:
            _refuse_taken(folder, overwrite=overwrite, roots=roots)
        except PermissionError as error:
            raise OutputUnwritable(f"no permission to look there. Try: another -o. ({folder})") from error
        except NotADirectoryError as error:
            raise OutputUnwritable(
                f"a file stands where a folder is needed. Try: another -o. ({folder})"
            ) from error


def _refuse_taken(destination: Path, *, overwrite: bool, roots: Sequence[Path]) -> None:
    real = destination.resolve()
    for root in roots:
        if real == root:
            raise OutputExists(
                f"the output is one of the sources, which are never changed. Try: another -o. ({real})"
            )
        if real in root.parents or root in real.parents:
            raise OutputUnwritable(
                f"output and source lie inside each other ({root}). Try: another -o. ({real})"
            )
    if not destination.exists() and not destination.is_symlink():
        return
    if not overwrite:
        raise OutputExists(f"the output is already there. Try: --overwrite, or another -o. ({destination})")
    if not is_dataset(destination):
        raise OutputExists(
            f"--overwrite replaces only a dataset, and this is none. Try: another -o. ({destination})"
        )
    others = sorted(entry.name for entry in destination.iterdir() if entry.name not in _PARTS)
    if others:
        raise OutputExists(
            f"--overwrite would remove what is no part of the dataset: {', '.join(others)}."
            f" Try: move it away, or another -o. ({destination})"
        )
