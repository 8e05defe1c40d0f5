"""Finds the episodes that are whole in the data files, and their tasks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lecompose.checks.repair.task_texts import UsedTasks, find_task_texts
from lecompose.dataset.catalog import Source
from lecompose.engine import Engine
from lecompose.errors import few
from lecompose.formats import TOLERANCE_S


@dataclass(frozen=True)
class Dropped:
    """An episode that could not be saved, and why.

    `file` is the one at fault, if it is one file, and `camera` the one whose pictures it lacks.
    """

    source: str
    episode: int
    reason: str
    file: str | None = None
    camera: str | None = None


@dataclass(frozen=True)
class Clip:
    """The video of an episode, from its first frame on."""

    video_file: Path
    from_frame: int


@dataclass(frozen=True)
class SoundEpisode:
    """An episode whose rows are whole; `is_changed` says that its length is not the listed one.

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

    `tasks_by_lists` says that the task list was not taken at its word.

    Units: `rates` are those of the videos, in frames a second.
    """

    episodes: tuple[SoundEpisode, ...]
    dropped: tuple[Dropped, ...]
    texts: Mapping[int, str]
    notes: tuple[str, ...] = ()
    rates: frozenset[float] = frozenset()
    tasks_by_lists: bool = False

    @property
    def off_grid(self) -> bool:
        """Whether timestamps of some episode are not those of its frames."""
        return any(e.off_grid_s >= TOLERANCE_S for e in self.episodes)

    def without(self, dropped: Iterable[Dropped], *notes: str) -> "Salvage":
        """Return the salvage without some episodes; of two reasons for one the first is kept."""
        reasons = {d.episode: d for d in reversed(list(dropped))}
        return replace(
            self,
            episodes=tuple(e for e in self.episodes if e.episode not in reasons),
            dropped=(*self.dropped, *reasons.values()),
            notes=(*self.notes, *notes),
        )


@dataclass(frozen=True)
class PlacedEpisode:
    """Where the rows of an episode really are."""

    src_episode: int
    data_file: str
    last_data_file: str
    row_from: int
    row_to: int
    rows: int
    in_order: bool
    off_grid_s: float | None
    task_frames: dict[int, int]


@dataclass(frozen=True)
class _ListedEpisode:
    """What the episode list says of an episode."""

    src_episode: int | None
    length: int | None
    tasks: list[str] | None


def find_sound_episodes(engine: Engine, source: Source, files: Sequence[Path]) -> Salvage:
    """Return the episodes whose rows stand together in one of these files, in order, with known tasks."""
    placed = {row.src_episode: row for row in engine.records("repair/placement", PlacedEpisode)}
    listed, twice = _listed_episodes(engine)
    tasks = find_task_texts(engine, [_used_tasks(rows, listed.get(n)) for n, rows in placed.items()])
    texts = tasks.texts
    usable = {str(path) for path in files}
    dropped, sound = [], []
    for episode in sorted(set(placed) | set(listed)):
        rows = placed.get(episode)
        reason = "none of its rows can be read" if rows is None else _unsound(rows, usable, texts)
        if rows is None or reason is not None:
            dropped.append(Dropped(source.name, episode, str(reason), rows.data_file if rows else None))
        else:
            sound.append(_sound(rows, listed.get(episode), texts))
    notes = [f'source "{source.name}": {tasks.note}'] if tasks.note else []
    notes += _notes(source, sound, twice)
    return Salvage(tuple(sound), tuple(dropped), texts, tuple(notes), tasks_by_lists=tasks.note is not None)


def _used_tasks(placed: PlacedEpisode, listed: _ListedEpisode | None) -> UsedTasks:
    return UsedTasks(placed.task_frames, listed.tasks or () if listed else ())


def _listed_episodes(engine: Engine) -> tuple[dict[int, _ListedEpisode], list[int]]:
    """Return the episode list by number, the first row of each, and the numbers of the other rows."""
    listed: dict[int, _ListedEpisode] = {}
    twice: list[int] = []
    for row in engine.read_records("declared", _ListedEpisode, order=["row_number"]):
        if row.src_episode is not None and listed.setdefault(row.src_episode, row) is not row:
            twice.append(row.src_episode)
    return listed, twice


def _unsound(placed: PlacedEpisode, usable: set[str], texts: Mapping[int, str]) -> str | None:
    """Return why the rows of an episode cannot be kept; None where they can."""
    if placed.data_file != placed.last_data_file:
        return "its rows are in more than one data file"
    if placed.data_file not in usable:
        return "its data file has other columns than the rest"
    if not placed.in_order or placed.row_to - placed.row_from != placed.rows:
        return "its rows do not stand together in order, frame_index running from 0"
    if sum(placed.task_frames.values()) != placed.rows:
        return "some of its rows have no task"
    unknown = [n for n in placed.task_frames if n not in texts]
    if unknown:
        return f"no text is known for task_index {', '.join(map(str, unknown))}"
    return None


def _sound(placed: PlacedEpisode, listed: _ListedEpisode | None, texts: Mapping[int, str]) -> SoundEpisode:
    numbers = tuple(placed.task_frames)
    of_frames = [texts[n] for n in numbers]
    of_list = listed.tasks or () if listed else ()
    return SoundEpisode(
        episode=placed.src_episode,
        length=placed.rows,
        data_file=Path(placed.data_file),
        row_from=placed.row_from,
        tasks=tuple(dict.fromkeys([*of_frames, *of_list])),
        numbers=numbers,
        is_listed=listed is not None,
        is_changed=listed is None or listed.length != placed.rows,
        off_grid_s=placed.off_grid_s if placed.off_grid_s is not None else float("inf"),
        clips={},
    )


# Notes ------------------------------------------------------------------------------------------


def _notes(source: Source, sound: Sequence[SoundEpisode], twice: Sequence[int]) -> Iterator[str]:
    start = f'source "{source.name}": '
    if twice:
        yield f"{start}listed twice, the first entry counts: episode {some_numbers(twice)}"
    unlisted = [e.episode for e in sound if not e.is_listed]
    if unlisted:
        what = "in the data but missing in the episode list, and now added"
        yield f"{start}{what}: episode {some_numbers(unlisted)}"
    changed = [e.episode for e in sound if e.is_listed and e.is_changed]
    if changed:
        what = "the listed length was wrong, and now is the number of rows"
        yield f"{start}{what}: episode {some_numbers(changed)}"
    off = [e.episode for e in sound if e.off_grid_s >= TOLERANCE_S]
    if off:
        yield f"{start}timestamps were wrong, and now are frame_index / fps: episode {some_numbers(off)}"


def some_numbers(episodes: Sequence[int]) -> str:
    """Return numbers as messages list them."""
    return few(map(str, episodes)).replace('"', "")
