"""Every operation on every broken dataset: a right output, or the right error and nothing left behind."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from attempts import OPERATIONS, Operation, Place, made, tried
from broken import TABLE, Broken, some_cases
from support.effort import Effort, every_nth, thorough

import lecompose

Record = Callable[..., Path]


def some_pairs() -> Iterator[Any]:
    """Each operation meets one break, drawn by their names: a new break leaves most of the others as they
    are. With `make thorough` all meet all. `test_check_names_it` has every break.
    """
    cases = list(some_cases())
    for operation in OPERATIONS:
        chosen = min(cases, key=lambda case: crc32(f"{operation.name} {case[0]}".encode()))
        for case in cases if Effort.whole else [chosen]:
            name, broken, version = case
            marks = [] if case is chosen else [thorough]
            yield pytest.param(operation, broken, version, id=f"{operation.name}-{name}", marks=marks)


CASES = list(some_pairs())


@pytest.mark.parametrize(("operation", "broken", "version"), CASES)
def test_handled_or_refused(
    operation: Operation, broken: Broken, version: str, recorded: Record, tmp_path: Path
) -> None:
    verdict = tried(operation, made(tmp_path, broken, version, recorded))
    assert verdict.problems == ()


def test_every_public_function_is_tried() -> None:
    tried_ones = {name for operation in OPERATIONS for name in operation.do.__code__.co_names}
    of_jobs = {"run_jobs", "job_status", "cancel_jobs"}  # which take none: test_jobs_elsewhere.py
    functions = {name for name in lecompose.__all__ if name.islower()} - of_jobs
    assert functions - tried_ones == set()


# The judge ------------------------------------------------------------------------------------------


def stray(place: Place) -> Any:
    (place.home / "stray").mkdir()
    lecompose.merge(place.root, out=place.out)


def harmful(place: Place) -> Any:
    lecompose.merge(place.root, out=place.out)
    (place.root / "meta/info.json").write_text("{}")


def crashing(place: Place) -> Any:
    raise ValueError("oh")


def careless(place: Place) -> Any:
    """An output with one episode too few."""
    lecompose.delete(place.root, out=place.out, episodes=[1])


def vague(place: Place) -> Any:
    raise lecompose.SourceBroken("something is wrong")


def mistaken(place: Place) -> Any:
    raise lecompose.RequestError("a mistake in file-001.parquet")


@every_nth(2)
@pytest.mark.parametrize(
    ("do", "name", "problem"),
    [
        (stray, "wrong totals", "left_over"),
        (harmful, "wrong totals", "sources_changed"),
        (crashing, "wrong totals", "wrong_codes"),
        (careless, "wrong totals", "wrong_outputs"),
        (vague, "data without a footer", "unclear_messages"),
        (mistaken, "data without a footer", "wrong_codes"),
    ],
)
def test_the_judge_sees(do: Any, name: str, problem: str, recorded: Record, tmp_path: Path) -> None:
    (broken,) = (b for b in TABLE if b.name == name and "v3.0" in b.versions)
    verdict = tried(replace(OPERATIONS[0], do=do), made(tmp_path, broken, "v3.0", recorded))
    assert problem in [told.partition(":")[0] for told in verdict.problems]
