"""Which text each task number of the frames means; also where the task list lacks some of the numbers.

Such a list may be cut off, or its numbers may begin elsewhere than those of the frames: then it has a text
for most of the numbers, and each is another one's. The tasks that episodes list as text tell which it is.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lecompose.engine import Engine


@dataclass(frozen=True)
class UsedTasks:
    """The task numbers of an episode's frames, and the texts that the episode lists."""

    numbers: Collection[int]
    texts: Collection[str]


@dataclass(frozen=True)
class TaskTexts:
    """The texts by their numbers; `note` says what tells them, where the task list alone does not."""

    texts: Mapping[int, str]
    note: str | None = None


@dataclass(frozen=True)
class _TaskText:
    src_task: int
    task: str


def find_task_texts(engine: Engine, episodes: Sequence[UsedTasks]) -> TaskTexts:
    """Return the texts that are known; a number that may as well mean another text has none."""
    in_list, ambiguous = _read_list(engine)
    used = {number for episode in episodes for number in episode.numbers}
    if used <= in_list.keys() | ambiguous:
        return TaskTexts(in_list)
    return _match(in_list, used - ambiguous, episodes)


def _read_list(engine: Engine) -> tuple[dict[int, str], set[int]]:
    """Return the one text of each task number, and the numbers that have several."""
    found: dict[int, set[str]] = defaultdict(set)
    for row in engine.records("repair/texts", _TaskText):
        found[row.src_task].add(row.task)
    known = {number: min(texts) for number, texts in found.items() if len(texts) == 1}
    return known, {number for number, texts in found.items() if len(texts) > 1}


def _match(in_list: Mapping[int, str], used: Collection[int], episodes: Sequence[UsedTasks]) -> TaskTexts:
    """Return the texts of numbers of which the task list lacks some."""
    lists = {n: [set(e.texts) for e in episodes if n in e.numbers and e.texts] for n in used}
    possible = {number: set.intersection(*texts) for number, texts in lists.items() if texts}
    shifts = list(_find_shifts(in_list, used))
    agreeing = [by for by in shifts if possible and _agrees(in_list, possible, by)]
    if len(agreeing) == 1 and not _agrees(in_list, possible, 0):
        by = agreeing[0]
        return TaskTexts({n - by: text for n, text in in_list.items()}, _describe_shift(by))
    told = {number: next(iter(texts)) for number, texts in possible.items() if len(texts) == 1}
    # A list that fits with other numbers, too, says nothing that nobody else says.
    kept = {} if shifts else {n: t for n, t in in_list.items() if n in used and _is_backed(t, lists[n])}
    is_right = all(in_list[number] == told.get(number, text) for number, text in kept.items())
    unused = {n: t for n, t in in_list.items() if n not in used} if is_right and not shifts else {}
    texts = unused | kept | told
    texts |= _find_left_over(episodes, texts, used)
    is_told = any(number in texts for number in used if texts.get(number) != in_list.get(number))
    return TaskTexts(texts, _BY_LISTS if is_told else None)


_BY_LISTS = (
    "the task list lacks task numbers that frames have: frames get the tasks that their episodes list,"
    " wherever these tell which number means which"
)


def _describe_shift(by: int) -> str:
    return (
        f"task numbers in the task list are {abs(by)} too {'high' if by > 0 else 'low'} for those of the"
        " frames: each frame gets the task that its episode lists"
    )


def _find_shifts(in_list: Mapping[int, str], used: Collection[int]) -> Iterator[int]:
    """Yield by how much the numbers of the list may be off, so that it has all that are used."""
    first = min(used)
    for number in sorted(in_list):
        by = number - first
        if by and all(n + by in in_list for n in used):
            yield by


def _agrees(in_list: Mapping[int, str], possible: Mapping[int, Collection[str]], by: int) -> bool:
    """Return whether the list, read from another number on, has texts that the episodes list, too."""
    return all(in_list[n + by] in texts for n, texts in possible.items() if n + by in in_list)


def _is_backed(text: str, lists: Sequence[Collection[str]]) -> bool:
    """Return whether most episodes with a number list its text, if any list one."""
    return 2 * sum(text in texts for texts in lists) >= len(lists)


def _find_left_over(
    episodes: Sequence[UsedTasks], texts: Mapping[int, str], used: Collection[int]
) -> dict[int, str]:
    """Return texts of more numbers: each episode with the number lists one text more, the same one."""
    votes: dict[int, set[str | None]] = defaultdict(set)
    for episode in episodes:
        unknown = [n for n in episode.numbers if n in used and n not in texts]
        more = set(episode.texts) - {texts[n] for n in episode.numbers if n in texts}
        for number in unknown:
            votes[number].add(next(iter(more)) if len(more) == len(unknown) == 1 else None)
    agreed = {number: next(iter(vote)) for number, vote in votes.items() if len(vote) == 1}
    return {number: text for number, text in agreed.items() if text is not None}
