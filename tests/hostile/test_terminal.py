"""Strings of a dataset cannot drive the terminal: no command prints a raw control or bidi character."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hostile.attacks import change_info, change_parquet, lines, rename_feature, run, write_lines
from support.effort import few

Record = Callable[..., Path]

# Title, colour, an 8-bit introducer, delete, a line that overwrites, text that runs backwards, rich's markup.
PWN = "\x1b]0;pwn\x07\x1b[31m\x9b2J\x7f\rok\b\u202e\u2066[bold red]x[/]"


def tainted(value: Any) -> Any:
    return value + PWN if isinstance(value, str) else value


def clean(text: str, *, what: object) -> None:
    bad = sorted({hex(ord(c)) for c in text if not c.isprintable() and c != "\n"})
    assert not bad, f"{what}: {bad} in {text!r}"


@pytest.fixture(params=few(("v3.0", "v2.1"), kept=lambda n: n == 0))
def hostile(request: pytest.FixtureRequest, make_dataset: Record) -> Path:
    """Tasks, names, robot, codec, dimension names, custom columns: each holds all of it."""
    root = make_dataset(
        f"source{PWN}".replace("/", ""), version=request.param, codec="h264", cameras=("front",)
    )
    for name in ("observation.images.front", "action"):
        rename_feature(root, name, tainted(name).replace("/", ""))

    def change(info: dict[str, Any]) -> None:
        info["robot_type"] = tainted("arm")
        info[tainted("key")] = tainted("value")
        for spec in info["features"].values():
            spec["names"] = tainted("x") if spec["names"] is None else spec["names"]
            if "info" in spec:
                spec["info"]["video.codec"] = tainted("h264")

    change_info(root, change)
    if request.param == "v2.1":
        rows = [
            {**row, "tasks": [*map(tainted, row["tasks"])], tainted("note"): PWN}
            for row in lines(root, "episodes.jsonl")
        ]
        write_lines(root, "episodes.jsonl", rows)
        write_lines(
            root, "tasks.jsonl", [row | {"task": tainted(row["task"])} for row in lines(root, "tasks.jsonl")]
        )
    else:
        change_parquet(root / "meta/tasks.parquet", _tainted_texts)
        episodes = next(root.glob("meta/episodes/*/*"))
        change_parquet(episodes, lambda t: t.append_column(tainted("note"), pa.array([PWN] * len(t))))
    return root


def _tainted_texts(table: pa.Table) -> pa.Table:
    for n, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            table = table.set_column(n, field, pa.array([tainted(v) for v in table[n].to_pylist()]))
    return table


def test_every_command(hostile: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    commands: list[list[object]] = [
        ["info", hostile],
        ["check", hostile],
        ["stats", hostile],
        ["query", hostile, "from episodes"],
        ["query", hostile, "select * from features"],
        ["query", hostile, "select map {task: [task]} as m, {'a': task} as s from frames limit 2"],
        ["query", hostile, f'select 1 as "{PWN}" from no_such_table'],
        ["query", hostile, f"select error('{PWN}')"],
        ["merge", hostile, "-o", other, "--dry-run"],
        ["merge", hostile, "-o", tmp_path / f"out{PWN}".replace("/", "")],
        [
            "split",
            hostile,
            "-o",
            tmp_path / "parts",
            "--into",
            f"a{PWN}=0.5".replace("/", ""),
            "--into",
            "b=0.5",
        ],
        ["filter", hostile, "-o", other, "--where", f"task = '{PWN}'"],
        ["sort", hostile, "-o", other, "--by", PWN],
        ["merge", hostile, "-o", other, "--remove", PWN],
        ["edit", "features", hostile, "-o", other, "--add", f"{PWN}=1"],
        ["edit", "tasks", hostile, "-o", other, "--sql", f"'{PWN}' || nothing"],
        ["merge", tmp_path / f"nowhere{PWN}", "-o", other],
    ]
    for words in commands:
        done = run(*words)
        clean(done.stdout + done.stderr, what=words)


def test_json_is_escaped_json(hostile: Path, tmp_path: Path) -> None:
    """A program gets every character back, a terminal none of them."""
    for words in (
        ["info", hostile],
        ["check", hostile],
        ["stats", hostile],
        ["merge", hostile, "-o", tmp_path / "out"],
    ):
        done = run(*words, "--json")
        clean(done.stdout + done.stderr, what=words)
        assert json.loads(done.stdout)
    assert json.loads(run("info", hostile, "--json").stdout)["robot_type"] == f"arm{PWN}"


def test_errors_of_broken_files(hostile: Path, tmp_path: Path) -> None:
    """Messages quote what was found: names of files, of features, values of metadata."""
    name = tainted("mood").replace("/", "")
    path = next(hostile.glob("data/*/*.parquet"))
    sound = path.read_bytes()
    change_parquet(path, lambda t: t.append_column(name, pa.array([PWN] * len(t))))
    for words in (["check", hostile], ["merge", hostile, "-o", tmp_path / "out"]):
        done = run(*words)
        clean(done.stdout + done.stderr, what=words)
    path.write_bytes(sound[: len(sound) // 2])
    for words in (["check", hostile], ["info", hostile]):
        done = run(*words)
        assert done.code == 3
        clean(done.stdout + done.stderr, what=words)
    path.write_bytes(sound)
    change_info(hostile, lambda info: info.update(codebase_version=PWN))
    done = run("info", hostile)
    assert done.code == 0  # it is read by its files, and the version is told
    clean(done.stdout + done.stderr, what="version")


def test_rows_that_are_asked_for_as_data_stay_as_they_are(hostile: Path, tmp_path: Path) -> None:
    """CSV and parquet are for programs: not one character is another."""
    done = run("query", hostile, "select distinct robot_type from datasets", "--format", "csv")
    assert done.code == 0
    assert f"arm{PWN}" in done.stdout.replace('""', '"')
