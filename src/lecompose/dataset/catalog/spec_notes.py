"""What an entry of info.json's features says otherwise than LeRobot does, or than the files do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SpecNote:
    """One difference, and what is read in its place; `code` is that of `check`."""

    code: str
    feature: str
    problem: str

    def __str__(self) -> str:
        return f'feature "{self.feature}": {self.problem}'


def spelling(feature: str, problem: str) -> SpecNote:
    """Return a note on what says the right thing in another way."""
    return SpecNote("feature_spelling", feature, problem)
