"""Put our functions in the place of LeRobot's own, and take them out again."""

import functools
import logging
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from lecompose.errors import few

# Where LeRobot defines each function. Other modules of it hold them by name too.
_HOMES = {
    "aggregate_datasets": "lerobot.datasets.aggregate",
    "merge_datasets": "lerobot.datasets.dataset_tools",
    "split_dataset": "lerobot.datasets.dataset_tools",
    "delete_episodes": "lerobot.datasets.dataset_tools",
    "modify_features": "lerobot.datasets.dataset_tools",
    "add_features": "lerobot.datasets.dataset_tools",
    "remove_feature": "lerobot.datasets.dataset_tools",
    "modify_tasks": "lerobot.datasets.dataset_tools",
    "recompute_stats": "lerobot.datasets.dataset_tools",
    "convert_image_to_video_dataset": "lerobot.datasets.dataset_tools",
    "convert_dataset": "lerobot.scripts.convert_dataset_v21_to_v30",
}
_READER, _READER_HOME, _READER_USER = (
    "DatasetReader",
    "lerobot.datasets.dataset_reader",
    "lerobot.datasets.lerobot_dataset",
)
_replaced: list[tuple[Any, str, Any]] = []
_log = logging.getLogger(__name__)


def install(*, reader: bool = False) -> None:
    """Replace LeRobot's functions by ours, wherever LeRobot itself refers to them.

    With `reader`, every LeRobotDataset opened from now on reads as `to_torch` does, and copies no data
    under $HF_HOME; those that are open keep LeRobot's reader. A script that imported a function before keeps
    LeRobot's: call this first. Logs a warning that names what is LeRobot's still.
    """
    ours = import_module("lecompose.lerobot")
    owns = [_replace(home, name, getattr(ours, name)) for name, home in _HOMES.items()]
    # LeRobot's own split is all that calls it, and scripts of some users.
    fractions = import_module("lecompose.lerobot.episodes").episodes_by_fraction
    owns += [_replace("lerobot.datasets.dataset_tools", "_fractions_to_episode_indices", fractions)]
    if reader:
        owns += [_install_reader()]
    _tell_holders([own for own in owns if own is not None])


def uninstall() -> None:
    """Give LeRobot its own functions, and its reader, back."""
    while _replaced:
        holder, name, own = _replaced.pop()
        setattr(holder, name, own)


def _install_reader() -> Any:
    """Put our reader in the place of LeRobot's, and prove that LeRobotDataset takes it; return LeRobot's."""
    try:
        ours = import_module("lecompose.lerobot.reader").LeRobotReader
    except ImportError:
        if not hasattr(import_module(_READER_HOME), _READER):
            _tell_missing(_READER_HOME, _READER)
            return None
        raise
    own = _replace(_READER_HOME, _READER, ours)
    if vars(import_module(_READER_USER)).get(_READER) is not ours:
        _log.warning(
            "%s reads by another class than %s, so that install(reader=True) changes nothing in this version"
            " of LeRobot. Try: lecompose.open(DATASET).to_torch()",
            _READER_USER,
            _READER,
        )
    if own is not None and all(holder is not own for holder, _, _ in _replaced):
        _tell_of_instances(own)
    return own


def _replace(home: str, name: str, ours: Any) -> Any:
    """Put ours in the place of what LeRobot defines in `home`; return that, or None if there is nothing."""
    own = vars(import_module(home)).get(name)
    if own is None:
        _tell_missing(home, name)
        return None
    if own is ours:
        return None  # it is installed
    # A class stays where it is defined: pickle looks for those of objects that are there already.
    stays = home if isinstance(own, type) else None
    for module, holds in _find_holders(own):
        if module.__name__.split(".")[0] == "lerobot" and module.__name__ != stays:
            _replaced.append((module, holds, own))
            setattr(module, holds, ours)
    return own


def _find_holders(own: Any) -> Iterator[tuple[ModuleType, str]]:
    """Yield every module that is loaded and holds this, and the name by which it does."""
    for _, module in sorted(sys.modules.copy().items()):
        if isinstance(module, ModuleType):
            yield from ((module, name) for name, held in [*vars(module).items()] if held is own)


def _tell_missing(home: str, name: str) -> None:
    _log.warning("%s has no %s in this version of LeRobot: ours is not installed there", home, name)


def _tell_holders(owns: list[Any]) -> None:
    """Warn of modules that imported something of LeRobot's before it was replaced."""
    homes = {own.__module__ for own in owns if isinstance(own, type)}
    found = [
        f"{module.__name__}.{name}"
        for own in owns
        for module, name in _find_holders(own)
        if module.__name__.split(".")[0] != "lecompose" and module.__name__ not in homes
    ]
    if found:
        _log.warning(
            "imported before install(), and so LeRobot's own still: %s. Try: call lecompose.lerobot.install()"
            " before these imports",
            few(found),
        )


def _tell_of_instances(own: Any) -> None:
    """Warn, once, when a reader of LeRobot's own class is made in spite of ours, whoever makes it."""
    init = own.__init__
    told: list[bool] = []

    @functools.wraps(init)
    def initialise(self: Any, *arguments: Any, **named: Any) -> None:
        if type(self) is own and not told:
            told.append(True)
            _log.warning(
                "a dataset is read by LeRobot's own reader in spite of install(reader=True): whoever made"
                " it took %s from %s. Try: lecompose.open(DATASET).to_torch()",
                own.__name__,
                own.__module__,
            )
        init(self, *arguments, **named)

    _replaced.append((own, "__init__", init))
    own.__init__ = initialise
