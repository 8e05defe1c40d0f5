"""What a message says to try next is tried, on the very dataset that prompts it, and helps."""

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attempts import Place, made
from broken import TABLE, Broken, some_cases
from support.effort import Effort, few, thorough

import lecompose
from lecompose.checks.codes import CODES

Record = Callable[..., Path]


def some(cases: Iterator[Any], *, every: int) -> list[Any]:
    """The first case of every so many; with `make thorough` all of them."""
    return [
        pytest.param(*case, id=name, marks=[] if n % every == 0 else [thorough])
        for n, (name, *case) in enumerate(cases)
        if Effort.whole or n % every == 0
    ]


# What a refused merge says ----------------------------------------------------------------------


def try_next(hint: str, place: Place) -> None:
    """Do what the message of a merge says."""
    if hint.startswith("--skip-broken"):
        lecompose.merge(place.root, out=place.out, skip_broken=True)
    elif hint.startswith("--remove"):
        words = shlex.split(hint.partition(", which")[0])
        lecompose.merge(place.root, out=place.out, remove=words[1::2])
    elif hint.startswith("--cast"):
        name, dtype = hint.split()[1].split("=")
        lecompose.merge(place.root, out=place.out, cast={name: dtype})
    else:
        ours, theirs = fetched(hint, place)
        shutil.rmtree(ours) if ours.is_dir() else ours.unlink(missing_ok=True)
        shutil.copytree(theirs, ours) if theirs.is_dir() else shutil.copy(theirs, ours)
        lecompose.merge(place.root, out=place.out)


def fetched(hint: str, place: Place) -> tuple[Path, Path]:
    """What is missing and what the user then finds elsewhere, as the message says."""
    name = {"git lfs pull": "", "fetch its files, or record it again": "data"}.get(hint, "meta/info.json")
    assert name != "meta/info.json" or "meta/info.json" in hint or "holds meta/" in hint
    return place.root / name, place.whole / name


def refused() -> Iterator[tuple[str, Broken, str]]:
    return (case for case in some_cases() if case[1].merge in (3, 4))


@pytest.mark.parametrize(("broken", "version"), some(refused(), every=48))
def test_what_a_refused_merge_says_helps(
    broken: Broken, version: str, recorded: Record, tmp_path: Path
) -> None:
    place = made(tmp_path, broken, version, recorded)
    with pytest.raises(lecompose.ComposeError) as error:
        lecompose.merge(place.root, out=place.out)
    assert error.value.hint is not None
    if broken.name == "no episodes":
        return  # "record it again" is all there is to say
    try_next(error.value.hint, place)
    assert [str(f) for f in lecompose.check(place.out) if f.severity == "error"] == []


# What check says --------------------------------------------------------------------------------

COMMAND = re.compile(r"lecompose (merge|repair|stats) DATASET -o OUT")


def with_commands() -> Iterator[tuple[str, Broken, str, str]]:
    """Each code whose remedy is a command, and a dataset that has it."""
    for name, code in CODES.items():
        rows = [b for b in TABLE if name in b.codes and "10,000" not in b.name and b.merge != 6]
        if COMMAND.search(code.remedy) and rows:
            yield name, rows[0], rows[0].versions[-1], name


@pytest.mark.parametrize(("broken", "version", "code"), some(with_commands(), every=18))
def test_what_check_says_helps(
    broken: Broken, version: str, code: str, recorded: Record, tmp_path: Path
) -> None:
    place = made(tmp_path, broken, version, recorded)
    assert code in [finding.code for finding in lecompose.check(place.root)]
    for verb in COMMAND.findall(CODES[code].remedy):
        out = place.out / verb
        getattr(lecompose, verb)(place.root, out=out)
        assert code not in [f.code for f in lecompose.check(out)]


# Cameras, and asking ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", few(("v3.0", "v2.1"), kept=lambda n: n == 0))
def test_a_camera_without_any_video_can_be_left_out(version: str, recorded: Record, tmp_path: Path) -> None:
    root = tmp_path / "day"
    shutil.copytree(recorded(version=version, codec="h264", cameras=("front", "wrist")), root)
    for folder in list(root.glob("videos/**/observation.images.wrist")):
        shutil.rmtree(folder)
    for skip_broken in (False, True):
        with pytest.raises(lecompose.ComposeError, match=r"--remove observation\.images\.wrist, which"):
            lecompose.merge(root, out=tmp_path / "out", skip_broken=skip_broken)
    lecompose.merge(root, out=tmp_path / "out", remove=["observation.images.wrist"])
    assert lecompose.check(tmp_path / "out") == []
    assert [p for p in lecompose.info(root).problems if "observation.images.wrist" in p] != []


def test_one_cut_file_blocks_neither_info_nor_query(recorded: Record, tmp_path: Path) -> None:
    root = tmp_path / "day"
    shutil.copytree(recorded(version="v2.1", cameras=(), frames=(6, 5, 7)), root)
    file = root / "data/chunk-000/episode_000001.parquet"
    file.write_bytes(file.read_bytes()[:500])
    told = lecompose.info(root)
    assert (told.root, told.version, told.episodes, told.frames) == (root, "v2.1", 2, 13)
    assert any("episode_000001.parquet" in problem for problem in told.problems)
    sql = "select src_episode, length from episodes"
    with pytest.raises(lecompose.SourceBroken, match="--skip-broken"):
        lecompose.query(root, sql)
    with lecompose.open(root, skip_broken=True) as rest:
        assert rest.query(sql).to_pydict() == {"src_episode": [0, 2], "length": [6, 7]}
        assert any("episode 1" in note for note in rest.notes)


def test_sound_datasets_have_no_problems(recorded: Record) -> None:
    assert lecompose.info(recorded(version="v3.0", codec="h264")).problems == ()
