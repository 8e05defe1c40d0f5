"""The texts of task numbers where the task list lacks some: the episodes' own, never a neighbour's."""

from collections.abc import Mapping, Sequence

import pytest

from lecompose.checks.repair.task_texts import UsedTasks, _match

PLAIN = {0: "pick", 1: "place", 2: "wave"}
FROM_ONE = {1: "pick", 2: "place", 3: "wave"}


@pytest.mark.parametrize(
    ("in_list", "episodes", "expected"),
    [
        # Numbered from 1: told by the lists, or not known at all.
        (FROM_ONE, [({0}, ["pick"]), ({1}, ["place"])], {0: "pick", 1: "place"}),
        (FROM_ONE, [({0, 1}, ["place", "pick"]), ({2}, ["wave"])], {0: "pick", 1: "place", 2: "wave"}),
        (FROM_ONE, [({0}, []), ({1}, [])], {}),
        # Cut off: the rest of the list is right.
        (PLAIN, [({0}, ["pick"]), ({3}, ["throw"])], {0: "pick", 3: "throw"}),
        (PLAIN, [({0}, []), ({3}, [])], {0: "pick"}),
        (PLAIN, [({0}, ["pick", "take it"]), ({0, 3}, ["pick", "throw"])], {0: "pick", 3: "throw"}),
        # Lists that differ tell nothing.
        (FROM_ONE, [({0}, ["pick"]), ({0}, ["wave"]), ({1}, ["place"])], {1: "place"}),
        ({}, [({0}, ["pick"]), ({1}, ["pick", "place"])], {0: "pick"}),
    ],
)
def test_texts(
    in_list: Mapping[int, str],
    episodes: Sequence[tuple[set[int], list[str]]],
    expected: Mapping[int, str],
) -> None:
    used = {number for numbers, _ in episodes for number in numbers}
    found = _match(in_list, used, [UsedTasks(numbers, texts) for numbers, texts in episodes]).texts
    assert {number: text for number, text in found.items() if number in used} == expected
