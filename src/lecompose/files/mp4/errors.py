"""Errors of video files: what cannot be used at all, and what has to be remuxed first."""

from pathlib import Path

from lecompose.errors import MediaError


class NeedsRemux(Exception):
    """A video that the sample tables cannot describe as they are, but a remux can cure; says what it is."""


def media_error(what: str, path: Path) -> MediaError:
    """Return the error for a file that cannot be used: `what`, then the path."""
    return MediaError(what, path=path)
