"""Which action is to be told relative to which state."""

from dataclasses import dataclass

STATE = "observation.state"


@dataclass(frozen=True)
class RelativeAction:
    """Which feature is relative to which state, over how many frames; dimensions whose names contain one of
    the words of `exclude` are not.
    """

    feature: str
    state: str
    horizon: int
    exclude: tuple[str, ...]
