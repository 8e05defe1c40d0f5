"""Which episodes are whole in the data files, and what their tasks are."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lecompose.dataset.catalog import Source
from lecompose.engine import Engine
from lecompose.errors import few
from lecompose.formats import TOLERANCE_S


@dataclass(frozen=True)
class Dropped:
    """An episode that could not be saved, and why; `file` is the one at fault, if it is one file."""

    source: str
    episode: int
    reason: str
    file: str | None = None


@dataclass(frozen=True)
class Clip:
    """The video of an episode, from its first frame on."""

    video_file: Path
    from_frame: int


@dataclass(frozen=True)
class Sound:
    """An episode whose rows are whole. `is_changed` where its length is not the one that was listed.

    Units: `off_grid_s`, how far a timestamp is from its frame's, in seconds.
    """

    episode: int
    length: int
    data_file: Path
    row_from: int
    tasks: tuple[str, ...]
    numbers: tuple[int, ...]
    is_listed: bool
    is_changed: bool
    off_grid_s: float
    clips: Mapping[str, Clip]


@dataclass(frozen=True)
class Salvage:
    """Episodes that are sound, and those that are not; `texts` are the tasks by number.

    Units: `rates` are those of the videos, in frames a second.
    """

    episodes: tuple[Sound, ...]
    dropped: tuple[Dropped, ...]
    texts: Mapping[int, str]
    notes: tuple[str, ...] = ()
    rates: frozenset[float] = frozenset()

    @property
    def off_grid(self) -> bool:
        """Whether timestamps of some episode are not those of its frames."""
        return any(e.off_grid_s >= TOLERANCE_S for e in self.episodes)

    def without(self, dropped: Iterable[Dropped], *notes: str) -> "Salvage":
        """The same, but for episodes that are not sound after all; of two reasons the first is kept."""
        reasons = {d.episode: d for d in reversed(list(dropped))}
        return replace(
            self,
            episodes=tuple(e for e in self.episodes if e.episode not in reasons),
            dropped=(*self.dropped, *reasons.values()),
            notes=(*self.notes, *notes),
        )


def sound_episodes(engine: Engine, source: Source, files: Sequence[Path]) -> Salvage:
    """The episodes whose rows stand together in one of these files, in order, with tasks that are known."""
    placed = {row["src_episode"]: row for row in engine.rows("repair/placement")}
    listed: dict[int, dict[str, Any]] = {}
    twice: list[int] = []
    for row in engine.rows("repair/listed"):
        if listed.setdefault(row["src_episode"], row) is not row:
            twice.append(row["src_episode"])
    texts, ambiguous = _texts(engine)
    texts |= _told_by_lists(placed.values(), listed, texts, ambiguous)
    usable = {str(path) for path in files}
    dropped, sound = [], []
    for episode in sorted(set(placed) | set(listed)):
        reason = _unsound(placed.get(episode), usable, texts)
        if reason is not None:
            file = placed[episode]["data_file"] if episode in placed else None
            dropped.append(Dropped(source.name, episode, reason, file))
        else:
            sound.append(_sound(placed[episode], listed.get(episode), texts))
    return Salvage(tuple(sound), tuple(dropped), texts, tuple(_notes(source, sound, twice)))


def _unsound(placed: Mapping[str, Any] | None, usable: set[str], texts: Mapping[int, str]) -> str | None:
    """Why the rows of an episode are none to keep; None where they are."""
    if placed is None:
        return "none of its rows can be read"
    if placed["data_file"] != placed["last_data_file"]:
        return "its rows are in more than one data file"
    if placed["data_file"] not in usable:
        return "the columns of its data file are not those of the others"
    if not placed["in_order"] or placed["row_to"] - placed["row_from"] != placed["rows"]:
        return "its rows do not stand together in order, frame_index running from 0"
    numbers = dict(placed["task_frames"])
    if sum(numbers.values()) != placed["rows"]:
        return "some of its rows have no task"
    unknown = [n for n in numbers if n not in texts]
    if unknown:
        return f"no text is known for task_index {', '.join(map(str, unknown))}"
    return None


def _sound(placed: Mapping[str, Any], listed: Mapping[str, Any] | None, texts: Mapping[int, str]) -> Sound:
    numbers = tuple(placed["task_frames"])
    of_frames = [texts[n] for n in numbers]
    of_list = listed["tasks"] or () if listed else ()
    return Sound(
        episode=placed["src_episode"],
        length=placed["rows"],
        data_file=Path(placed["data_file"]),
        row_from=placed["row_from"],
        tasks=tuple(dict.fromkeys([*of_frames, *of_list])),
        numbers=numbers,
        is_listed=listed is not None,
        is_changed=listed is None or listed["length"] != placed["rows"],
        off_grid_s=placed["off_grid_s"] if placed["off_grid_s"] is not None else float("inf"),
        clips={},
    )


# Tasks ------------------------------------------------------------------------------------------


def _texts(engine: Engine) -> tuple[dict[int, str], set[int]]:
    """The one text of each task number; and the numbers that have several."""
    found: dict[int, set[str]] = defaultdict(set)
    for row in engine.rows("repair/texts"):
        found[row["src_task"]].add(row["task"])
    known = {number: min(texts) for number, texts in found.items() if len(texts) == 1}
    return known, {number for number, texts in found.items() if len(texts) > 1}


def _told_by_lists(
    placed: Iterable[Mapping[str, Any]],
    listed: Mapping[int, Mapping[str, Any]],
    texts: Mapping[int, str],
    ambiguous: set[int],
) -> dict[int, str]:
    """Texts of numbers that the task list lacks: each episode with one lists one text more, the same one."""
    votes: dict[int, set[str | None]] = defaultdict(set)
    for row in placed:
        numbers = list(row["task_frames"])
        unknown = [n for n in numbers if n not in texts and n not in ambiguous]
        told = listed.get(row["src_episode"], {}).get("tasks") or ()
        more = set(told) - {texts[n] for n in numbers if n in texts}
        for number in unknown:
            votes[number].add(next(iter(more)) if len(more) == len(unknown) == 1 else None)
    agreed = {number: next(iter(told)) for number, told in votes.items() if len(told) == 1}
    return {number: text for number, text in agreed.items() if text is not None}


# Notes ------------------------------------------------------------------------------------------


def _notes(source: Source, sound: Sequence[Sound], twice: Sequence[int]) -> Iterator[str]:
    told = f'source "{source.name}": '
    if twice:
        yield f"{told}listed twice, the first time counts: episode {_some(twice)}"
    unlisted = [e.episode for e in sound if not e.is_listed]
    if unlisted:
        yield f"{told}whole in the data, not in the episode list, and taken in: episode {_some(unlisted)}"
    changed = [e.episode for e in sound if e.is_listed and e.is_changed]
    if changed:
        yield f"{told}the length is the number of rows, and was another in the list: episode {_some(changed)}"
    off = [e.episode for e in sound if e.off_grid_s >= TOLERANCE_S]
    if off:
        yield f"{told}timestamps are frame_index / fps, and were up to something else: episode {_some(off)}"


def _some(episodes: Sequence[int]) -> str:
    return few(map(str, episodes)).replace('"', "")
