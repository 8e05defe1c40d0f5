"""A command waits for nothing that it does not use: what it loads is counted, in place of seconds."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARIES = ("jinja2", "pyarrow.compute", "pyarrow.dataset", "av", "PIL", "torch", "difflib")
WRITING = (
    *("lecompose.api.operations", "lecompose.checks", "lecompose.composition.layout"),
    *("lecompose.composition.pipeline", "lecompose.composition.plan", "lecompose.composition.stages"),
    *("lecompose.files.mp4.concat_segments", "lecompose.files.mp4.encode_segment"),
    *("lecompose.statistics", "lecompose.training"),
)


def loaded(words: list[str]) -> Iterator[str]:
    """The modules that a process has loaded when the command is done."""
    script = f"""
import sys
from lecompose.cli import main
try:
    main({words!r})
finally:
    sys.stderr.write("\\n".join(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    yield from done.stderr.splitlines()


@pytest.mark.parametrize(
    ("words", "unused"),
    [
        (["--help"], ("duckdb", "pyarrow", "numpy", "rich", *LIBRARIES, *WRITING)),
        (["info", "@"], (*LIBRARIES, *WRITING)),
        (["query", "@", "select 1"], (*LIBRARIES[1:], *WRITING)),
        (
            ["merge", "@", "-o", "@out", "--quiet"],
            ("av", "PIL", "torch", "lecompose.checks.repair", "lecompose.training"),
        ),
    ],
    ids=lambda words: words[0],
)
def test_what_a_command_does_not_use(
    words: list[str], unused: tuple[str, ...], dataset_v30: Path, tmp_path: Path
) -> None:
    words = [word.replace("@out", str(tmp_path / "out")).replace("@", str(dataset_v30)) for word in words]
    modules = set(loaded(words))
    assert "lecompose.cli" in modules
    assert [name for name in unused if name in modules] == []
