"""Folders of links, for a dataset of which some files are others."""

import os
from pathlib import Path


def link_rest(root: Path, copy: Path) -> None:
    """Link whatever of a folder is not in its copy, which holds some of its files anew."""
    for folder, names, files in os.walk(root):
        there = copy / Path(folder).relative_to(root)
        for name in [*files, *names]:
            if not (there / name).exists():
                (there / name).symlink_to((Path(folder) / name).resolve())
        names[:] = [name for name in names if not (there / name).is_symlink()]
