"""install() against a LeRobot of a few modules: what it replaces, gives back, and says where it did not."""

import logging
import pickle
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import lecompose.lerobot as ours
from lecompose.lerobot.monkeypatch import _HOMES

TOOLS, READER, USER = (
    "lerobot.datasets.dataset_tools",
    "lerobot.datasets.dataset_reader",
    "lerobot.datasets.lerobot_dataset",
)


def classes() -> tuple[Any, Any]:
    """LeRobot's reader, as far as is needed here, and ours."""

    def initialise(self: Any, root: str) -> None:
        self.root = root

    named = {"__module__": READER, "__qualname__": "DatasetReader"}
    own = type("DatasetReader", (), {"__init__": initialise, **named})
    return own, type("LeRobotReader", (own,), {})


@pytest.fixture
def lerobot(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The modules of a LeRobot that has functions which do nothing."""
    names = {"lerobot", "lerobot.datasets", "lerobot.scripts", READER, USER, *_HOMES.values()}
    modules = {name: ModuleType(name) for name in (*names, "lecompose.lerobot.reader")}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name, home in {**_HOMES, "_fractions_to_episode_indices": TOOLS}.items():
        setattr(modules[home], name, lambda: None)
    own, reader = classes()
    for name in (READER, USER):
        vars(modules[name])["DatasetReader"] = own
    vars(modules["lecompose.lerobot.reader"])["LeRobotReader"] = reader
    yield modules
    ours.uninstall()


def installed(caplog: pytest.LogCaptureFixture, **settings: Any) -> str:
    """What was logged while it was installed."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        ours.install(**settings)
    return caplog.text


def test_every_name_in_lerobot_is_ours(
    lerobot: dict[str, ModuleType], caplog: pytest.LogCaptureFixture
) -> None:
    own, reader = vars(lerobot[TOOLS])["merge_datasets"], vars(lerobot[READER])["DatasetReader"]
    vars(lerobot["lerobot.datasets"])["merge"] = own  # `import … as`
    for _ in range(2):
        assert installed(caplog, reader=True) == ""
        assert vars(lerobot["lerobot.datasets"])["merge"] is ours.merge_datasets
        assert vars(lerobot[TOOLS])["merge_datasets"] is ours.merge_datasets
        assert vars(lerobot[USER])["DatasetReader"].__name__ == "LeRobotReader"
        vars(lerobot[USER])["DatasetReader"]("day")
    assert caplog.text == ""
    pickle.loads(pickle.dumps(reader.__new__(reader)))  # of one that was open before
    ours.uninstall()
    assert vars(lerobot["lerobot.datasets"])["merge"] is own
    assert vars(lerobot[USER])["DatasetReader"] is reader
    reader("day")
    assert caplog.text == ""


def test_what_was_imported_before_is_named(
    lerobot: dict[str, ModuleType], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ModuleType("script")
    script.join = vars(lerobot[TOOLS])["merge_datasets"]  # type: ignore[attr-defined]
    script.Reader = vars(lerobot[READER])["DatasetReader"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "script", script)
    told = installed(caplog, reader=True)
    assert '"script.join"' in told
    assert '"script.Reader"' in told
    assert "before these imports" in told


def test_a_reader_of_lerobots_own_is_told_once(
    lerobot: dict[str, ModuleType], caplog: pytest.LogCaptureFixture
) -> None:
    """As one that is imported from its home when it is needed."""
    assert installed(caplog, reader=True) == ""
    with caplog.at_level(logging.WARNING):
        made = [vars(lerobot[READER])["DatasetReader"](root) for root in ("day", "night")]
    assert [reader.root for reader in made] == ["day", "night"]
    assert caplog.text.count("in spite of install(reader=True)") == 1
    assert "to_torch" in caplog.text


def test_a_lerobot_that_reads_by_another_class(
    lerobot: dict[str, ModuleType], caplog: pytest.LogCaptureFixture
) -> None:
    del vars(lerobot[USER])["DatasetReader"]
    assert f"{USER} reads by another class" in installed(caplog, reader=True)


def test_a_lerobot_that_lacks_a_function_or_the_reader(
    lerobot: dict[str, ModuleType], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    del vars(lerobot[TOOLS])["modify_tasks"]
    del vars(lerobot[READER])["DatasetReader"]
    monkeypatch.setitem(sys.modules, "lecompose.lerobot.reader", None)  # its import fails
    told = installed(caplog, reader=True)
    assert f"{TOOLS} has no modify_tasks" in told
    assert f"{READER} has no DatasetReader" in told
    assert vars(lerobot[TOOLS])["merge_datasets"] is ours.merge_datasets
