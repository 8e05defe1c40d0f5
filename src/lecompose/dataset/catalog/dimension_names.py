"""Names of a feature's dimensions, whatever way they were written down.

Source: recorders write a list, a list in a list, {"motors": [...]}, {"delta_x": 0, ...} and
{"0": "delta_x", ...}; "channel" and "channels".
"""

from collections.abc import Mapping
from typing import Any

_SCALAR = (str, int, float)


def plain_names(names: object) -> list[str] | None:
    """Return the names in the order of the dimensions, without their groups; None where there are none."""
    if isinstance(names, str):
        names = [names]
    if isinstance(names, Mapping):
        ordered = _in_order(names)
        names = list(names.values()) if ordered is None else ordered
    if not isinstance(names, list):
        return None
    flat: list[str] = []
    for entry in names:
        inner = plain_names(entry) if isinstance(entry, list | Mapping) else [str(entry)]
        flat += inner or []
    return ["channels" if n == "channel" else n for n in flat] or None


def group_names(names: object) -> list[str] | None:
    """Return the names of the groups in which names stand, each with their number; None without several."""
    if not isinstance(names, Mapping) or len(names) < 2 or _in_order(names) is not None:
        return None
    return [f"{group}: {len(plain_names(held) or [])}" for group, held in names.items()]


def spell_names(names: object) -> object:
    """Return names as LeRobot can read them: what has positions becomes a list; lists and groups stay."""
    if isinstance(names, str):
        return [names]
    if isinstance(names, Mapping):
        ordered = _in_order(names)
        if ordered is not None:
            return ordered
        return {group: spell_names(held) for group, held in names.items()}
    return names if isinstance(names, list) else None


def _in_order(names: Mapping[Any, Any]) -> list[str] | None:
    """Return the names of an object of positions, or of one by position, in their order; None for others."""
    if not names:
        return None
    at = {name: _position(held) for name, held in names.items()}
    if None not in at.values() and len(set(at.values())) == len(at):
        return sorted(names, key=lambda name: at[name] or 0)
    by_position = {name: _position(name) for name in names}
    is_by_position = None not in by_position.values() and len(set(by_position.values())) == len(names)
    if is_by_position and all(isinstance(held, str) for held in names.values()):
        return [str(names[name]) for name in sorted(names, key=lambda name: by_position[name] or 0)]
    return None


def _position(said: object) -> int | None:
    """Return a whole number, also one that is written as a float or as text."""
    if isinstance(said, bool) or not isinstance(said, _SCALAR):
        return None
    try:
        number = float(said)
        return int(number) if number.is_integer() and number >= 0 else None
    except (ValueError, OverflowError):
        return None
