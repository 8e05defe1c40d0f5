"""Where outputs go, and whether they may."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lecompose.dataset.catalog.other_files import META_PARTS
from lecompose.dataset.catalog.source import is_dataset
from lecompose.errors import OutputExists, OutputUnwritable, RequestError
from lecompose.files.clutter import is_clutter


@dataclass(frozen=True)
class Destinations:
    """The folder of each output: `root` itself for a single one, else a folder of its name in it.

    `in_place` where it is the one source, which the output is to replace.
    """

    root: Path
    folders: Mapping[str, Path]
    in_place: bool = False

    @property
    def appear_at_once(self) -> bool:
        """Whether one rename puts all outputs in place: their common folder is not there yet."""
        return self.root not in self.folders.values() and not self.root.exists()


# What a dataset folder holds; the last two are what downloads leave there.
_PARTS = frozenset(("meta", "data", "videos", "images", ".cache", ".gitattributes"))


def single_destination(root: Path) -> Destinations:
    """Return the destination of one output: the folder itself."""
    return Destinations(root, {root.name: root})


def destination_in_place(root: Path) -> Destinations:
    """Return the place of a dataset that its own edited copy is to replace."""
    real = root.resolve()  # a link stays one
    return Destinations(real, {real.name: real}, in_place=True)


def several_destinations(root: Path, outputs: Sequence[str]) -> Destinations:
    """Return a destination for each output: a folder of its name in `root`.

    Raises:
        RequestError: for a name that cannot be a folder's.
    """
    wrong = [name for name in outputs if not _can_be_folder(name)]
    if wrong:
        raise RequestError(f'an output is a folder, and cannot be named "{wrong[0]}"')
    if len({name.casefold() for name in outputs}) < len(outputs):
        raise RequestError(
            f"outputs that differ in case only are one folder on some disks: {', '.join(outputs)}"
        )
    return Destinations(root, {name: root / name for name in outputs})


def undecided_destination(root: Path) -> Destinations:
    """Return the destination of outputs that only the plan names: somewhere in `root`, or `root` itself."""
    return Destinations(root, {})


def decide_destinations(known: Destinations, outputs: Sequence[str] | None) -> Destinations:
    """Return where outputs go, once the plan has named those that it names."""
    if outputs is not None:
        return several_destinations(known.root, outputs)
    return known if known.folders else single_destination(known.root)


def _can_be_folder(name: str) -> bool:
    return name not in ("", ".", "..") and not {"/", "\0"} & set(name) and len(name.encode()) <= 255


def link_other_files(dataset: Path, output: Path, *, among: Iterable[str] = ()) -> None:
    """Link into `output` what lies in the folder of `dataset` but is not part of it, such as a readme.

    `among` are such files in the folders of its data, videos and episode lists.

    Raises:
        OSError: where the file system refuses.
    """
    for entry in [*dataset.iterdir(), *(dataset / "meta").iterdir()]:
        own = META_PARTS if entry.parent != dataset else {"meta", "data", "videos"}
        if entry.name not in own:
            _link(entry, output / entry.relative_to(dataset))
    for name in among:
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        _link(dataset / name, output / name)


def _link(path: Path, to: Path) -> None:
    """Link a file, or all files below a folder, to another path; copy where links cannot be made."""
    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, to, symlinks=True, copy_function=_link_file, dirs_exist_ok=True)
    elif path.is_symlink():
        to.unlink(missing_ok=True)
        to.symlink_to(path.readlink())
    else:
        _link_file(path, to)


def _link_file(path: Path | str, to: Path | str) -> None:
    Path(to).unlink(missing_ok=True)  # a killed run may have been here before
    try:
        os.link(path, to)
    except OSError:
        shutil.copy2(path, to)


def refuse_existing(destinations: Destinations, *, overwrite: bool, roots: Sequence[Path] = ()) -> None:
    """Refuse destinations at which a run may not publish. `roots` are the folders of the sources.

    Raises:
        OutputExists: for anything there, unless `overwrite` and it is a dataset; always for a source.
        OutputUnwritable: where a destination and a source lie inside each other, or cannot be seen.
    """
    for folder in destinations.folders.values() if not destinations.in_place else ():
        try:
            _refuse_existing(folder, overwrite=overwrite, roots=roots)
        except OutputExists:
            raise
        except PermissionError as error:
            raise OutputUnwritable("no permission to look there", hint="another -o", path=folder) from error
        except NotADirectoryError as error:
            raise OutputUnwritable(
                "a file stands where a folder is needed", hint="another -o", path=folder
            ) from error
        except OSError as error:  # a name that is too long, links that lead in a circle
            raise OutputUnwritable(
                "no output can be there", reason=error.strerror, hint="another -o", path=folder
            ) from error


def _refuse_existing(destination: Path, *, overwrite: bool, roots: Sequence[Path] = ()) -> None:
    real = destination.resolve()
    above, below = set(real.parents), f"{str(real).rstrip(os.sep)}{os.sep}"
    for root in roots:
        if real == root:
            raise OutputExists(
                "the output is one of the sources, which are never changed", hint="another -o", path=real
            )
        if root in above or str(root).startswith(below):
            raise OutputUnwritable(
                f"output and source lie inside each other ({root})", hint="another -o", path=real
            )
    if not destination.exists() and not destination.is_symlink():
        return
    if not is_dataset(destination):
        # --overwrite is no way out: it might remove what is not ours.
        already = "--overwrite replaces only a dataset, and this is not one"
        problem = already if overwrite else "the output already exists, and is not a dataset"
        raise OutputExists(problem, hint="another -o", path=destination)
    if not overwrite:
        raise OutputExists(
            "the output already exists", hint="--overwrite, or choose another -o", path=destination
        )
    others = sorted(_list_strangers(destination))
    if others:
        raise OutputExists(
            f"--overwrite would remove what is not part of the dataset: {', '.join(others)}",
            hint="move it away, or choose another -o",
            path=destination,
        )


def _list_strangers(dataset: Path) -> Iterator[str]:
    """Yield what lies in a dataset's folder and is of no dataset."""
    yield from (entry.name for entry in dataset.iterdir() if entry.name not in _PARTS)
    known = {"meta": ".parquet", "data": ".parquet", "videos": ".mp4"}
    for folder, suffix in known.items():
        for at, _, names in os.walk(dataset / folder):
            for name in names:
                path = Path(at, name).relative_to(dataset)
                own = len(path.parts) == 2 and folder == "meta" and name in META_PARTS
                if not (own or name.endswith(suffix) or is_clutter(name)):
                    yield path.as_posix()
