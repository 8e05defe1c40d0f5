"""Finds clips where pointers to videos are wrong: episodes are put into files in their order.

Datasets merged by LeRobot 0.3.4 to 0.4.2 have their pictures in order, and times or numbers of files that
lead elsewhere.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from lecompose.checks.repair.find_sound_episodes import Clip
from lecompose.dataset.exchanged_files import assign_files, find_exchanged


@dataclass(frozen=True)
class Spans:
    """How many frames the episodes have, in their order, and how many in the videos by their pointers."""

    lengths: Mapping[int, int]
    filmed: Mapping[int, int]

    @property
    def guesses(self) -> Iterator[Mapping[int, int]]:
        """Yield how many frames of the videos each episode may have: as many as rows, or as pointers say."""
        yield self.lengths
        longer = {e: max(length, self.filmed.get(e, 0)) for e, length in self.lengths.items()}
        if longer != self.lengths:
            yield longer


def follow_order(
    spans: Spans, listed: Mapping[int, Clip], frames: Mapping[Path, int], sound: Mapping[int, Clip]
) -> dict[int, Clip] | None:
    """Return the clip of each episode, if the camera's files hold one after the other, to the last frame.

    `frames` are those of all files of the camera. `sound` are the listed clips that lie inside their files
    and apart from others: where these follow another order, no order can be relied on.
    """
    if not is_in_order(sound):
        return None
    named = {clip.video_file for clip in listed.values()}
    for files in (set(frames), set(frames) & named):
        for lengths in spans.guesses:
            found = _fill(sorted(files, key=number_of), frames, lengths)
            if found is not None:
                return found
    return None


def exchange_files(
    spans: Spans, listed: Mapping[int, Clip], frames: Mapping[Path, int]
) -> tuple[dict[int, Clip], frozenset[int]] | None:
    """Return the listed clips in the files that have their frames, if files seem to be exchanged.

    The second value are the episodes whose file is not certain. `frames` are those of all files.
    """
    for lengths in spans.guesses:
        taken: dict[Path, int] = {}
        for episode, clip in listed.items():
            end = clip.from_frame + lengths.get(episode, 0)
            taken[clip.video_file] = max(end, taken.get(clip.video_file, 0))
        exchanged = find_exchanged(taken, frames)
        if exchanged:
            files = assign_files(taken, frames, exchanged)
            owner = {e: files.get(clip.video_file, clip.video_file) for e, clip in listed.items()}
            clips = {e: Clip(file, listed[e].from_frame) for e, file in owner.items() if file is not None}
            return clips, frozenset(listed.keys() - clips.keys())
    return None


def _fill(
    files: Sequence[Path], frames: Mapping[Path, int], lengths: Mapping[int, int]
) -> dict[int, Clip] | None:
    """Return the clips of all episodes if they fill the files exactly, none of them over two files."""
    found: dict[int, Clip] = {}
    rest = iter(lengths.items())
    for path in files:
        at = 0
        while at < frames[path]:
            episode, length = next(rest, (-1, 0))
            if not length or at + length > frames[path]:
                return None
            found[episode] = Clip(path, at)
            at += length
    return found if next(rest, None) is None else None


def fits(clip: Clip, length: int, frames: int) -> bool:
    """Return whether a clip lies inside a file of so many frames."""
    return clip.from_frame >= 0 and clip.from_frame + length <= frames


def find_overlapping(
    clips: Mapping[int, Clip], lengths: Mapping[int, int], twins: Mapping[int, int]
) -> set[int]:
    """Return the episodes whose clips share frames with those of another that has other rows."""
    spans = sorted((clip.video_file, clip.from_frame, lengths[e], e) for e, clip in clips.items())
    found: set[int] = set()
    file, furthest_end, furthest, span = Path(), 0, -1, (0, 0)
    for path, from_frame, length, episode in spans:
        if path != file:
            file, furthest_end = path, 0
        is_twin = span == (from_frame, length) and twins.get(episode, -1) == twins.get(furthest, -2)
        if from_frame < furthest_end and not is_twin:
            found |= {episode, furthest}
        if from_frame + length > furthest_end:
            furthest_end, furthest, span = from_frame + length, episode, (from_frame, length)
    return found


def is_in_order(clips: Mapping[int, Clip]) -> bool:
    """Return whether clips come one after the other as their episodes do."""
    places = [(number_of(clips[e].video_file), clips[e].from_frame) for e in sorted(clips)]
    return all(one < other for one, other in pairwise(places))


def number_of(path: Path) -> tuple[int, ...]:
    """Return the numbers in the names of a video file and its folder, by which files are in order."""
    return tuple(
        int(number) for part in (path.parent.name, path.stem) for number in re.findall(r"\d+", part)[-1:]
    )


def shift_files(
    listed: Mapping[int, Clip],
    files: Iterable[Path],
    fits: Callable[[Mapping[int, Clip]], bool],
    *,
    chunk_files: int,
) -> dict[int, Clip] | None:
    """Return the listed clips in other files, if all pointers are as many files too high or too low.

    `fits` says whether clips lie inside of their files, and apart. Returns None unless just one shift does.
    """
    there = {_place(path, chunk_files): path for path in files}
    named = {episode: _place(clip.video_file, chunk_files) for episode, clip in listed.items()}
    found = []
    for by in sorted({place - min(named.values(), default=0) for place in there} - {0}):
        if all(place + by in there for place in named.values()):
            found.append({e: Clip(there[named[e] + by], clip.from_frame) for e, clip in listed.items()})
    fitting = [clips for clips in found if fits(clips)]
    return fitting[0] if len(fitting) == 1 else None


def _place(path: Path, chunk_files: int) -> int:
    """Return which file of a camera it is, over all chunks."""
    chunk, file = (0, 0, *number_of(path))[-2:]
    return chunk * chunk_files + file


def match_by_number(spans: Spans, listed: Mapping[int, Clip], path: Path, frames: int) -> dict[int, Clip]:
    """Return the clips of a video that runs at another rate, if it has as many frames as rows.

    Times tell only the order of the episodes in such a video. Its n-th frame is that of the n-th row.
    """
    starts = sorted((c.from_frame, e) for e, c in listed.items() if c.video_file == path)
    lengths = [spans.lengths.get(episode, 0) for _, episode in starts]
    if sum(lengths) != frames:
        return {}
    places = accumulate(lengths, initial=0)
    return {episode: Clip(path, at) for (_, episode), at in zip(starts, places, strict=False)}
