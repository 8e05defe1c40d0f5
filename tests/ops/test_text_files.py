"""Metadata and SQL as editors and other systems save them: marks, UTF-16, CRLF, files of their own."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support import typed
from support.independent import read

import lecompose
from lecompose.cli import main
from lecompose.errors import SourceBroken

LENGTHS = (3, 4, 2)
TEXTS = ("pick", "größe 📏")
Save = Callable[[str], bytes]

SAVED: dict[str, Save] = {
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 of big ends": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return typed.write(tmp_path / "a", {}, version="v2.1", lengths=LENGTHS, tasks=TEXTS)


def is_sound(out: Path) -> bool:
    tasks = [task for episode in read(out).episodes for task in episode.tasks]
    return tasks == [TEXTS[n % 2] for n in range(sum(LENGTHS))]


@pytest.mark.parametrize("save", SAVED.values(), ids=SAVED)
def test_metadata(save: Save, source: Path, tmp_path: Path) -> None:
    for path in [*source.glob("meta/*.json"), *source.glob("meta/*.jsonl")]:
        path.write_bytes(save(path.read_text(encoding="utf-8")))
    lecompose.merge(source, out=tmp_path / "out")
    assert is_sound(tmp_path / "out")
    found = {f.code for f in lecompose.check(source)} - {"huggingface_metadata", "stats_keys"}
    assert ("text_encoding" in found) == (save is not SAVED["CRLF"])
    assert not found & {"metadata_readable", "info_readable"}


def test_tasks_that_are_texts(source: Path, tmp_path: Path) -> None:
    """A line of the task list is the text alone, and the tasks of an episode are one text."""
    (source / "meta/tasks.jsonl").write_text("".join(json.dumps(text) + "\n" for text in TEXTS))
    path = source / "meta/episodes.jsonl"
    rows = [json.loads(line) | {"tasks": "pick"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    lecompose.merge(source, out=tmp_path / "out")
    assert is_sound(tmp_path / "out")
    assert "pick" in read(tmp_path / "out").episodes[0].listed


@pytest.mark.parametrize(
    ("name", "line"), [("tasks", "[3]"), ("tasks", "{"), ("episodes", '{"no": 1}'), ("episodes", "3")]
)
def test_a_line_that_is_something_else_is_named(name: str, line: str, source: Path, tmp_path: Path) -> None:
    path = source / f"meta/{name}.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[2:]]))
    with pytest.raises(SourceBroken, match=f"line 2 is not .*{name}.jsonl"):
        lecompose.merge(source, out=tmp_path / "out")


# Files that systems leave -------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_files_of_systems_and_editors_are_ignored(version: str, tmp_path: Path) -> None:
    source = typed.write(tmp_path / "a", {}, version=version, lengths=LENGTHS, tasks=TEXTS)
    for path in [*source.rglob("*.parquet"), *source.rglob("*.json*")]:
        for name in (f"._{path.name}", f"{path.name}~", f"#{path.name}#", f".{path.name}.swp", "Thumbs.db"):
            path.with_name(name).write_bytes(b"\0\5\26\7")
    for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    report = lecompose.merge(source, out=tmp_path / "out")
    assert report.notes == ()
    assert is_sound(tmp_path / "out")
    lecompose.repair(source, out=tmp_path / "saved")
    assert is_sound(tmp_path / "saved")
    codes = {finding.code for finding in lecompose.check(source)}
    assert not codes & {"data_readable", "metadata_readable", "data_files_named", "files_listed"}
    assert ("other_files" in codes) == (version == "v3.0"), "LeRobot reads all parquet files"
    table = lecompose.query(source, "select count(*) as n from frames")
    assert table["n"].to_pylist() == [sum(LENGTHS)]


# SQL ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [*SAVED.values()][:2], ids=[*SAVED][:2])
def test_a_query_in_a_file(save: Save, dataset_v30: Path, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_bytes(save("select count(*) as größe\nfrom episodes"))
    ran = CliRunner().invoke(main, ["query", str(dataset_v30), "-f", str(file), "--format", "csv"])
    assert ran.output.splitlines() == ["größe", "3"]


def test_a_query_that_is_longer_than_a_name(dataset_v30: Path, tmp_path: Path) -> None:
    long = "select count(*) as n from episodes where length > 0 " + "and length > 0 " * 400
    ran = CliRunner().invoke(main, ["query", str(dataset_v30), long, "--format", "csv"])
    assert ran.output.splitlines() == ["n", "3"]
    recipe = "select src_dataset, src_episode from episodes where length > 0 " + "and length > 0 " * 400
    ran = CliRunner().invoke(main, ["compose", recipe, str(dataset_v30), "-o", str(tmp_path / "out")])
    assert ran.exit_code == 0


@pytest.mark.parametrize("command", ["query", "compose"])
def test_a_file_that_is_no_text_is_refused(command: str, dataset_v30: Path, tmp_path: Path) -> None:
    binary = next((dataset_v30 / "data").rglob("*.parquet"))
    words = ["query", str(dataset_v30), "-f", str(binary)]
    if command == "compose":
        words = ["compose", str(binary), str(dataset_v30), "-o", str(tmp_path / "out")]
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 2
    assert "it is no text" in ran.output
    assert pq.ParquetFile(binary).metadata.num_rows
