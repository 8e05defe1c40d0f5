"""Finds video files that were exchanged: each has as many frames as the episodes of another one take.

A copy by hand, or a download whose files were renamed, does so. Pointers then lead to whole files with the
pictures of other episodes; that some are too short, and others too long, is the only sign.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

Frames = Mapping[Path, int]
"""Frames by video file: those that it has, or those up to the end of its last clip."""


def find_exchanged(taken: Frames, frames: Frames) -> frozenset[Path]:
    """Return the files of a camera that seem to be exchanged, none where nothing shows it.

    These are all files that have other numbers of frames than are taken of them, if they have these numbers
    in another order; otherwise pairs of which each has the other's number.
    """
    wrong = {file for file in taken if frames.get(file, taken[file]) != taken[file]}
    if Counter(taken[file] for file in wrong) == Counter(frames[file] for file in wrong):
        return frozenset(wrong)
    sides = {(taken[file], frames[file]) for file in wrong}
    return frozenset(file for file in wrong if (frames[file], taken[file]) in sides)


def assign_files(taken: Frames, frames: Frames, exchanged: Iterable[Path]) -> dict[Path, Path | None]:
    """Return for each exchanged file the one that has its episodes; None where that is not certain.

    It is certain where every other number of frames is explained, and no second file has as many frames.
    """
    exchanged = list(exchanged)
    others = set(taken) - set(exchanged)
    if any(frames.get(file) != taken[file] for file in others):
        return dict.fromkeys(exchanged)
    with_frames: dict[int, list[Path]] = {}
    for file, count in frames.items():
        with_frames.setdefault(count, []).append(file)
    found = {file: with_frames.get(taken[file], []) for file in exchanged}
    return {file: files[0] if len(files) == 1 else None for file, files in found.items()}
