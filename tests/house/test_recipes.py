"""Every recipe of docs/recipes.md does what it says, on a small dataset."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from house.test_docs import CHECKOUT, examples

from lecompose.cli import main

PAGE = (CHECKOUT / "docs/recipes.md").read_text(encoding="utf-8")
RECIPES = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}


@pytest.mark.parametrize("title", RECIPES)
def test_recipe(
    title: str, make_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = RECIPES[title]
    folder = make_dataset("day", frames=(4, 3, 5), cameras=(), state_dim=6, action_dim=6).parent
    monkeypatch.chdir(folder)
    for name, content in re.findall(r"`(\w+\.csv)`:\n\n```csv\n(.*?)```", page, re.DOTALL):
        Path(name).write_text(content)
    commands = [*examples(page)]
    assert commands
    for words in commands:
        ran = CliRunner().invoke(main, words[1:])
        assert ran.exit_code == 0, f"{words}: {ran.output}"
