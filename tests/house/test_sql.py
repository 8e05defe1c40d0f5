"""Each SQL template keeps the contract in its header, and gives what its cases expect."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.sql_cases import CASES, Case, Template, same_type, templates

TEMPLATES = templates()
ALL_CASES = [case for template in TEMPLATES for case in template.cases]

each_case = pytest.mark.parametrize(
    "case", ALL_CASES, ids=lambda case: f"{case.template.name}/{case.folder.name}"
)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_template_keeps_its_contract(template: Template) -> None:
    first = template.header[0]
    assert re.fullmatch(rf"{template.name}: \S.*", first), "first line: -- folder/name: what it gives"
    keys = [line.partition(":")[0] for line in template.header if re.match(r"(reads|params|gives):", line)]
    assert keys == ["reads", "params", "gives"]
    assert template.params == template.used_params, "the parameters of the header are those in use"
    absent = [name for name in template.reads or () if not re.search(rf"\b{name}\b", template.body)]
    assert not absent, f"in the header, but not in the text: {absent}"
    assert ";" not in template.body, "one statement a file, without a semicolon"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_cases_bind_each_parameter(template: Template) -> None:
    """A block that a case leaves out may have one of its own."""
    assert template.cases, f"no case under tests/sql/{template.name}/"
    assert {name for case in template.cases for name in case.bound} == template.params


def test_every_case_has_a_template() -> None:
    known = {CASES / template.name for template in TEMPLATES}
    folders = {path.parent.parent for path in CASES.rglob("expected.csv")}
    assert not folders - known, "cases of templates that are not there"


@each_case
def test_case_brings_what_the_header_asks_for(case: Case) -> None:
    assert case.bound <= case.template.params
    if case.template.reads is not None:
        assert case.relations == case.template.reads


@each_case
def test_case(case: Case, tmp_path: Path) -> None:
    columns, rows, expected = case.run(tmp_path)
    if not {"reads_back", "asks"} & case.settings.keys():
        assert_gives(case.template, columns)
    if case.template.ordered or case.settings.get("ordered"):
        assert comparable(rows) == comparable(expected)
    else:
        assert sorted(comparable(rows), key=repr) == sorted(comparable(expected), key=repr)


def assert_gives(template: Template, columns: list[tuple[str, str]]) -> None:
    promised = template.gives
    if promised and promised[-1][0] == "*":
        promised = promised[:-1]
        columns = columns[: len(promised)]
    assert [name for name, _ in columns] == [name for name, _ in promised]
    wrong = [(name, kind, ours) for (name, kind), (_, ours) in zip(columns, promised, strict=True)
             if not same_type(kind, ours)]  # fmt: skip
    assert not wrong, f"types (found, promised): {wrong}"


def comparable(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows with floats to twelve digits: the order of a sum is the engine's affair."""
    return [tuple(float(f"{cell:.12g}") if isinstance(cell, float) else cell for cell in row) for row in rows]
