"""JSON files and lines: what they hold, or one error that says where and why not."""

from pathlib import Path
from typing import Any

import pytest

from lecompose.errors import SourceBroken
from lecompose.files.json_files import parse_json, read_json, read_json_lines


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "info.json cannot be read"),
        (b"\xff{}", "info.json cannot be read"),
        (b"[" * 100_000, "info.json cannot be read"),
        (b"[1]", "info.json must hold a JSON object"),
        (b"{}" + b" " * 99, "info.json has 101 bytes, at most 100 are read"),
        (None, "info.json is missing"),
    ],
)
def test_what_is_not_a_json_object(content: bytes | None, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "info.json"
    if content is not None:
        path.write_bytes(content[:90] if len(content) > 1000 else content)
    with pytest.raises(SourceBroken) as raised:
        read_json(path, most_bytes=100)
    assert (raised.value.problem, raised.value.path) == (problem, path)


def test_half_a_character_is_not_text() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        parse_json(r'"\ud83d"')


def _take_number(row: Any) -> int:
    return int(row["n"])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"m": 1}', 'it has no "n"'),
        (b'{"n": "x"}', "invalid literal for int"),
        (b"\xff", "codec can't decode"),
        (b"[]", "list indices must be"),
    ],
)
def test_a_line_that_is_something_else(line: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"n": 1}\n\n' + line + b'\n{"n": 4}')
    bad: list[int] = []
    assert list(read_json_lines(path, _take_number, what="a number", on_bad=bad.append)) == [1, 4]
    assert bad == [3]
    with pytest.raises(SourceBroken, match=r"^line 3 is not a number: ") as raised:
        list(read_json_lines(path, _take_number, what="a number"))
    assert raised.value.path == path
    assert reason in (raised.value.reason or "")
