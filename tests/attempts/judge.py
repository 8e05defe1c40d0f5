"""Tries one operation on one broken dataset, and tells what is wrong with what came of it."""

import re
import shutil
import tempfile
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from broken import EQUAL, SAME, WORKS
from support.edited import Edit
from support.independent import Dataset, Episode, assert_composed, assert_same_values, read

import lecompose
from attempts.expected import OTHER_PICTURES, OTHER_TASKS, PASSED_ON, expected, saved_rows
from attempts.operations import Operation
from attempts.place import Place, old_at, tree

NUMBERING = ("index", "episode_index", "task_index")


@dataclass(frozen=True)
class Verdict:
    """The exit code, what was said, and every problem, each with what it counts as before its colon."""

    code: int
    said: str
    problems: tuple[str, ...]


def tried(operation: Operation, place: Place) -> Verdict:
    """What came of an operation, held against what must come of it."""
    if operation.replaces:
        old_at(place.out)
    before = tree(place.home)
    given = {root: tree(root) for root in (place.whole, place.sound)}
    with own_temporary_folder(place.home.parent / "tmp") as temporary:
        code, said, result = called(operation, place)
    left = [f"left_over: {path.name}" for path in temporary.iterdir()]
    problems = [*left, *coded(operation, place, code, said), *strange(operation, place, before, code)]
    problems += [f"sources_changed: {root}" for root, held in given.items() if tree(root) != held]
    if code == 0:
        problems += wrong(operation, place, result)
    return Verdict(code, said, tuple(problems))


@contextmanager
def own_temporary_folder(path: Path) -> Iterator[Path]:
    path.mkdir()
    before, tempfile.tempdir = tempfile.tempdir, str(path)
    try:
        yield path
    finally:
        tempfile.tempdir = before


def called(operation: Operation, place: Place) -> tuple[int, str, Any]:
    """Exit code, message, result. An error that is none of ours has the code 1, and says its traceback."""
    try:
        return 0, "", operation.do(place)
    except lecompose.ComposeError as error:
        return error.exit_code, str(error), None
    except Exception:
        return 1, traceback.format_exc(), None


# How it ended -----------------------------------------------------------------------------------


def coded(operation: Operation, place: Place, code: int, said: str) -> Iterator[str]:
    wanted = expected(operation, place)
    if code == 0 and not wanted.works:
        yield f"wrong_codes: it worked, and has to be refused with {sorted(wanted.codes)}"
    if code and code not in wanted.codes:
        yield f"wrong_codes: {code}, not {sorted(wanted.codes) or 'that it works'}: {said}"
    if code and ".lecompose/" in said:
        yield f"unclear_messages: of a folder that nobody will find: {said}"
    if code and code == place.broken.merge and (missing := unnamed(place, said)):
        yield f"unclear_messages: {missing} not named: {said}"


def unnamed(place: Place, said: str) -> list[str]:
    """What a message has to name and does not: the file or the episode, the feature, a pointer of Git LFS."""
    broken = place.broken
    where = LISTS.get(broken.name, [])
    where = where + ([Path(broken.file).name] if broken.file else [])
    where = where + (
        [f"episode {broken.episode}", f"episode_{broken.episode:06d}"] if broken.episode is not None else []
    )
    what = [broken.feature] if broken.feature else []
    what += ["Git LFS pointer"] if "lfs_pulled" in broken.codes else []
    missing = [word for word in what if word not in said]
    return missing if not where or any(word in said for word in where) else [*missing, *where]


# What stands for the place in a message: no file has the column; one file has the length.
LISTS = {"no tasks column": ["file-000.parquet"], "length of NaN": ["file-001.parquet", "episodes.jsonl"]}


def strange(operation: Operation, place: Place, before: dict[str, str], code: int) -> Iterator[str]:
    """What is not as it was, but for the output."""
    now = tree(place.home)
    output = "bad" if operation.in_place else "to/out"
    if code == 0 and operation.reads is None:
        before, now = without(before, output), without(now, output)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            kind = "sources_changed" if name in before else "left_over"
            yield f"{kind}: {name}"


def without(held: dict[str, str], folder: str) -> dict[str, str]:
    return {name: what for name, what in held.items() if not f"{name}/".startswith(f"{folder}/")}


# What it made -----------------------------------------------------------------------------------


def wrong(operation: Operation, place: Place, result: Any) -> Iterator[str]:
    """Why a result is not what it must be, if it is not."""
    try:
        if operation.reads:
            assert_read(operation, place, result)
        elif operation.saves:
            assert_saved(operation, place)
        else:
            assert_made(operation, place)
    except AssertionError:
        yield f"wrong_outputs: {traceback.format_exc()}"
    except Exception:
        yield f"wrong_outputs: cannot be read: {traceback.format_exc()}"


def assert_read(operation: Operation, place: Place, result: Any) -> None:
    """What was read is in the broken dataset, or was before it broke."""
    assert operation.reads is not None
    roots = {EQUAL: [place.whole], SAME: [place.given]}.get(place.broken.merge, [place.whole, place.given])
    failed = []
    for root in [place.given] if operation.of_files else roots:
        try:
            operation.reads(result, root)
            return
        except Exception:
            failed.append(traceback.format_exc())
    raise AssertionError("\n".join(failed))


def assert_made(operation: Operation, place: Place) -> None:
    out = _without_others(place) if operation.in_place else place.out
    reference = place.given if place.broken.merge == SAME else place.whole
    picks = operation.picks(read(reference), place)
    if isinstance(picks, int):
        picks = {"": origins(read(out).episodes, read(reference))}
        assert len(set(picks[""])) == len(picks[""]) == operation.picks(read(reference), place)
    if "" not in picks:
        assert sorted(path.name for path in out.iterdir()) == sorted(picks)
    for name, rows in picks.items():
        assert_one(operation, place, out / name, reference, rows)


# What a dataset holds; of the rest, what lies beside it stays where it is edited in place.
PARTS = re.compile(
    r"data/chunk-\d{3}/file-\d{3}\.parquet|videos/[^/]+/chunk-\d{3}/file-\d{3}\.mp4"
    r"|meta/episodes/chunk-\d{3}/file-\d{3}\.parquet|meta/(info|stats)\.json|meta/(tasks|lineage)\.parquet"
)


def is_clutter(name: str) -> bool:
    """Whether it is what a system or an editor left between the dataset's own files; that goes."""
    return name.startswith(("data/", "videos/", "meta/episodes/")) and not name.endswith((".parquet", ".mp4"))


def _without_others(place: Place) -> Path:
    """A copy of the dataset edited in place, without what lay beside it, which must be there still."""
    copy = Path(shutil.copytree(place.root, place.home.with_name("judged")))
    for path in [path for path in place.given.rglob("*") if path.is_file()]:
        name = path.relative_to(place.given).as_posix()
        if not PARTS.fullmatch(name) and not is_clutter(name):
            assert (copy / name).read_bytes() == path.read_bytes(), name
            (copy / name).unlink()
    for folder in sorted((path for path in copy.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    return copy


def assert_one(operation: Operation, place: Place, out: Path, reference: Path, rows: Sequence[int]) -> None:
    assert_sound(place, out)
    edited = _corrected(operation.edited(place), place.broken.corrected, reference)
    are_same = reference == place.given or place.broken.name not in OTHER_PICTURES
    if place.broken.merge == WORKS or not operation.pictures:  # whose statistics are computed anew
        source = edited(read(reference))
        wanted = [source.episodes[n] for n in rows]
        assert_same_frames(read(out).episodes[: len(rows)], wanted, pictures=operation.pictures)
        return
    more = [(place.sound, n) for n in range(len(read(place.sound).episodes))] if operation.then else []
    assert_composed(
        out,
        [*((reference, n) for n in rows), *more],
        edited=edited,
        robot_type=operation.robot,
        pictures=operation.pictures and are_same,
    )


def _corrected(edited: Edit, features: Collection[str], root: Path) -> Edit:
    """The same without the stored statistics of features whose values are put right, of one dataset."""

    def of_episode(episode: Episode) -> Episode:
        kept = {k: v for k, v in episode.stats.items() if k.rpartition("/")[0] not in features}
        return replace(episode, stats=kept)

    def corrected(dataset: Dataset) -> Dataset:
        made = edited(dataset)
        if dataset.root != root:
            return made
        return replace(made, episodes=tuple(map(of_episode, made.episodes)))

    return corrected if features else edited


def assert_sound(place: Place, out: Path) -> None:
    """`check` finds nothing in the output but what it cannot put right."""
    found = lecompose.check(out)
    assert {f.code for f in found} <= PASSED_ON & {*place.broken.codes}, found


def assert_saved(operation: Operation, place: Place) -> None:
    """What was saved is as recorded, and it is all that could be; then comes the sound one."""
    assert_sound(place, place.out)
    made, whole = read(place.out), read(place.whole)
    more = read(place.sound).episodes if operation.then else ()
    count = len(made.episodes) - len(more)
    assert_same_frames(made.episodes[count:], more)
    saved = made.episodes[:count]
    rows = origins(saved, whole)
    assert rows == saved_rows(place), rows
    pictures = place.broken.name not in OTHER_PICTURES
    tasks = place.broken.name not in OTHER_TASKS
    assert_same_frames(saved, [whole.episodes[n] for n in rows], pictures=pictures, tasks=tasks)


def origins(made: Sequence[Episode], source: Dataset) -> list[int]:
    """The row of the source's list that each episode was, told by the values in it."""
    return [next(n for n, e in enumerate(source.episodes) if alike(episode, e)) for episode in made]


def alike(one: Episode, other: Episode) -> bool:
    shared = {"action", "observation.state"} & set(one.rows.column_names) & set(other.rows.column_names)
    return len(one) == len(other) and all(
        one.rows[n].to_pylist() == other.rows[n].to_pylist() for n in shared
    )


def assert_same_frames(
    made: Sequence[Episode], wanted: Sequence[Episode], *, pictures: bool = True, tasks: bool = True
) -> None:
    """The same values, tasks and pictures; not the same metadata."""
    for number, (ours, theirs) in enumerate(zip(made, wanted, strict=True)):
        for name in set(theirs.rows.column_names) & set(ours.rows.column_names) - set(NUMBERING):
            assert_same_values(ours.rows[name], theirs.rows[name], f"episode {number}, {name}")
        assert ours.tasks == theirs.tasks or not tasks
        for camera in ours.clips if pictures else ():
            assert ours.pictures(camera) == theirs.pictures(camera), f"episode {number}, {camera}"
