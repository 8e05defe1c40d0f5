"""Metadata spoilt by hypothesis: types swapped, keys gone, numbers wild. A result, or one of our errors."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.effort import examples

import lecompose
from lecompose.errors import ComposeError

Record = Callable[..., Path]

WILD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 1, 2**31, 2**63 - 1, 2**63, 10**400]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["..", "../x", "/etc/x", "\0", "\x1b[31m", "{x}", "'\"", "v3.0", "video", "image", "x" * 300]
    ),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=3)), max_size=3),
    st.sampled_from([{}, {"": 0}, {"dtype": "float32", "shape": [1]}, [2**40], [[1]], [1] * 40]),
)
FILES = (
    ("v2.1", "meta/info.json"),
    ("v3.0", "meta/info.json"),
    ("v2.1", "meta/episodes.jsonl"),
    ("v2.1", "meta/tasks.jsonl"),
    ("v2.1", "meta/episodes_stats.jsonl"),
    ("v3.0", "meta/stats.json"),
)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each part of a JSON value, from the outside in."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*above, key)
        yield from places(part, (*above, key))


@st.composite
def spoilt(draw: st.DrawFn, sound: Any) -> Any:
    """A JSON value with one to three of its parts gone, renamed, or something else."""
    value = copy.deepcopy(sound)
    for _ in range(draw(st.integers(1, 3))):
        ways = list(places(value))
        if not ways:
            return draw(WILD)
        *above, key = draw(st.sampled_from(ways))
        holder = value
        for step in above:
            holder = holder[step]
        action = draw(st.sampled_from(["drop", "rename", "swap", "swap", "swap"]))
        if action == "drop":
            del holder[key]
        elif action == "rename" and isinstance(holder, dict):
            holder[draw(st.text(max_size=5))] = holder.pop(key)
        else:
            holder[key] = draw(WILD)
    return value


def tried(root: Path, out: Path) -> None:
    """Whatever else comes than a result or one of our errors fails the test; neither leaves anything."""
    for attempt in (lambda: lecompose.info(root), lambda: lecompose.merge(root, out=out, dry_run=True)):
        try:
            attempt()
        except ComposeError:
            continue
    assert [path.name for path in out.parent.iterdir()] == [root.name]


@pytest.mark.parametrize(("version", "name"), FILES)
def test_spoilt_json(version: str, name: str, recorded: Record, tmp_path: Path) -> None:
    root = shutil.copytree(
        recorded(version=version, codec="h264", cameras=("front",), frames=3), tmp_path / "d"
    )
    path = root / name
    text = path.read_text()
    sound = [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)

    @settings(max_examples=examples(2, whole=25), suppress_health_check=list(HealthCheck))
    @given(spoilt(sound))
    def attempt(value: Any) -> None:
        if name.endswith("l"):
            rows = value if isinstance(value, list) else [value]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            path.write_text(json.dumps(value))
        tried(root, tmp_path / "out")

    attempt()


COLUMNS = ("episode_index", "tasks", "length", "data/chunk_index", "dataset_from_index", "stats/action/mean")
CELLS = [-1, 2**63 - 1, 1.5, float("nan"), float("inf"), "x", b"\xff", [1], [None], {"a": 1}, True]


def test_spoilt_parquet(recorded: Record, tmp_path: Path) -> None:
    root = shutil.copytree(
        recorded(version="v3.0", codec="h264", cameras=("front",), frames=3), tmp_path / "d"
    )
    path = next(root.glob("meta/episodes/*/*.parquet"))
    sound = pq.read_table(path, partitioning=None)

    @settings(max_examples=examples(4, whole=25), suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(COLUMNS), st.sampled_from(CELLS), st.booleans())
    def attempt(column: str, cell: Any, whole: bool) -> None:
        place = sound.schema.get_field_index(column)
        if place < 0:
            return
        cells = pa.array([cell] * len(sound))
        pq.write_table(
            sound.set_column(place, column, cells) if whole else sound.drop_columns([column]), path
        )
        tried(root, tmp_path / "out")

    attempt()
