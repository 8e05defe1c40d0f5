"""Metadata that lies: huge, deep, wild numbers, lost types. Plain errors, in bounded time and memory."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hostile.attacks import change_info, change_parquet, lines, run, run_bounded, write_lines
from support.effort import every_nth, thorough

Record = Callable[..., Path]
Change = Callable[[dict[str, Any]], object]


def feature(**spec: Any) -> Change:
    return lambda info: info["features"]["action"].update(spec)


def said(**keys: Any) -> Change:
    return lambda info: info.update(keys)


SPOILT: dict[str, Change] = {
    "a shape of 2**40": feature(shape=[2**40]),
    "a shape of 10**12": feature(shape=[10**6, 10**6]),
    "a shape of many dimensions": feature(shape=[1] * 100_000),
    "a shape of a huge number": feature(shape=[10**400]),
    "fps of 10**400": said(fps=10**400),
    "fps of 1e308": said(fps=1e308),
    "fps of 1e-300": said(fps=1e-300),
    "fps of NaN": said(fps=float("nan")),
    "fps of -Infinity": said(fps=float("-inf")),
    "chunks_size in words": said(chunks_size="many"),
    "chunks_size of NaN": said(chunks_size=float("nan")),
    "a negative chunks_size": said(chunks_size=-1),
    "half a character": said(robot_type="\ud800"),
    "half a character in a name": lambda info: info["features"].update(
        {"\udc80": info["features"]["action"]}
    ),
}
IGNORED: dict[str, Change] = {
    "totals that lie": said(
        total_episodes=10**400, total_frames=-1, total_tasks="x", splits={"train": "0:9999"}
    ),
    "robot_type of a list": said(robot_type=[1.5]),
    "info of a list": feature(info=[1]),
    "info of a text": feature(info="x"),
    "unknown keys": said(**{"x" * 10_000: [[[1e308]]], "__class__": {"$ref": "#"}, "{{ x }}": "{% raise %}"}),
}


def test_info_that_lies_is_refused(make_dataset: Record, tmp_path: Path) -> None:
    for version in ("v2.1", "v3.0"):
        root = make_dataset(version, version=version, codec="h264", cameras=("front",), episodes=1)
        path = root / "meta/info.json"
        sound = path.read_text()
        for name, change in SPOILT.items():
            if version == "v3.0" and "chunks_size" in name:
                continue  # which is a limit for writers there
            path.write_text(sound)
            change_info(root, change)
            assert run("info", root).code in (0, 3), name  # of what is damaged it tells the rest
            done = run("merge", root, "-o", tmp_path / "out")
            assert done.code == 3, (name, done)
            assert len(done.stderr) < 2000
    assert {path.name for path in tmp_path.iterdir()} == {"v2.1", "v3.0"}


def test_info_that_says_nothing_of_use_is_no_harm(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("source", version="v3.0", cameras=())
    for change in IGNORED.values():
        change_info(root, change)
    assert run("info", root).code == 0
    assert run("check", root).code in (0, 3)
    assert run("merge", root, "-o", tmp_path / "out").code in (0, 3)


RAW = {
    "100 MB": b'{"fps": 30, "x": "' + b"x" * 10**8 + b'"}',
    "100,000 deep": b"[" * 100_000,
    "100,000 deep and whole": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "900 deep": b'{"fps":30,"features":{},"x":' + b"[" * 900 + b"]" * 900 + b"}",
    "a number of 10,000 digits": b'{"fps": ' + b"9" * 10_000 + b"}",
    "keys twice": b'{"fps": 30, "fps": "x", "features": {}}',
    "no UTF-8": b'{"fps": "\xff\xfe"}',
    "NUL bytes": b"\0" * 1000,
}


@pytest.mark.parametrize("name", RAW)
def test_info_json_of_odd_bytes(name: str, make_dataset: Record) -> None:
    root = make_dataset("source", version="v2.1", cameras=())
    (root / "meta/info.json").write_bytes(RAW[name])
    start = time.perf_counter()
    assert run("check", root).code == 3
    assert time.perf_counter() - start < 20


@every_nth(2)
@pytest.mark.parametrize("file", ["episodes.jsonl", "tasks.jsonl", "episodes_stats.jsonl", "stats.json"])
def test_deep_and_long_lines(file: str, make_dataset: Record, tmp_path: Path) -> None:
    """Where a statistics file is no use, the rest may be; never is there another exception."""
    version = "v3.0" if file == "stats.json" else "v2.1"
    root = make_dataset("source", version=version, cameras=(), episodes=1)
    long = b'{"episode_index": 0, "length": 10, "tasks": ["' + b"x" * (50 * 2**20) + b'"]}\n'
    deep = b'{"episode_index": 0, "stats": {"action": ' + b"[" * 90_000 + b"]" * 90_000 + b"}}\n"
    for content in (long, deep, b"[]\n" * 10, b'{"episode_index": 1e400}\n'):
        (root / "meta" / file).write_bytes(content)
        assert len(run("merge", root, "-o", tmp_path / "out", "--overwrite").stderr) < 5000
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


NUMBERS = [-1, 2**63 - 1, 2**70, float("nan"), None, "x", []]


@every_nth(2)
@pytest.mark.parametrize("key", ["length", "episode_index"])
def test_numbers_of_episodes_that_are_none(key: str, make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("source", version="v2.1", cameras=())
    rows = lines(root, "episodes.jsonl")
    for number in NUMBERS:
        write_lines(root, "episodes.jsonl", [*rows[:2], rows[2] | {key: number}])
        done = run("info", root)
        assert len(done.stderr) < 3000
        # True is 1, and 1.5 is read as 2 by DuckDB: neither is what the data say.
        assert run("merge", root, "-o", tmp_path / "out").code in (2, 3), number
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_numbers_of_episodes_that_are_none_in_parquet(make_dataset: Record, tmp_path: Path) -> None:
    root = make_dataset("source", version="v3.0", codec="h264", cameras=("front",))
    path = next(root.glob("meta/episodes/*/*"))
    sound = path.read_bytes()
    camera = "videos/observation.images.front"
    for column in ("length", f"{camera}/from_timestamp", f"{camera}/file_index"):
        for value in (-1, 2**63 - 1, float("nan")):
            path.write_bytes(sound)
            change_parquet(path, lambda t, c=column, v=value: _with(t, c, v))
            assert run("merge", root, "-o", tmp_path / "out").code in (2, 3, 4), (column, value)
    assert [each.name for each in tmp_path.iterdir()] == ["source"]


def _with(table: pa.Table, column: str, value: Any) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.set_column(place, column, pa.array([value] * len(table)))


@thorough
def test_ten_thousand_features(make_dataset: Record) -> None:
    """Declared, and not there; told within seconds, in bounded memory."""
    root = make_dataset("source", version="v3.0", cameras=())
    more = {f"f{n}": {"dtype": "float32", "shape": [3], "names": None} for n in range(10_000)}
    change_info(root, lambda info: info["features"].update(more))
    done = run_bounded("info", root, address_bytes=4 * 2**30, timeout_s=60)
    assert done.code == 0, done
    assert done.peak_bytes < 2**31


def test_json_with_keys_twice_is_what_python_reads(make_dataset: Record) -> None:
    root = make_dataset("source", version="v3.0", cameras=())
    path = root / "meta/info.json"
    path.write_text(path.read_text().rstrip()[:-1] + ', "fps": 60}')
    assert json.loads(run("info", root, "--json").stdout)["fps"] == 60
