"""Read the top-level boxes of an mp4, and recognise what stands in its place."""

import os
from pathlib import Path

from lecompose.files.mp4.boxes import MOVIE_BOXES, BoxError, Span, printable_kind, walk_file
from lecompose.files.mp4.errors import NeedsRemux, media_error

AGAIN = "copy or download it again"


def read_outline(fd: int, size_bytes: int, path: Path, *, truncated: bool = False) -> list[Span]:
    """Return the top-level boxes of an mp4 that is complete and has its tables in one `moov`.

    If it may be `truncated`, the media behind the tables may end too early.

    Raises:
        MediaError: if the file is not a video, or is truncated.
        NeedsRemux: if it is fragmented or another container.
    """
    _refuse_impostors(os.pread(fd, 512, 0), path)
    spans: list[Span] = []
    try:
        for span in walk_file(fd, size_bytes):
            if span.end > size_bytes and not (truncated and span.kind == b"mdat" and _has(spans, b"moov")):
                raise media_error(_describe_truncation(span, size_bytes, spans), path)
            spans.append(span)
            if span.kind == b"moof":
                raise NeedsRemux("fragmented mp4 (no sample table)")
    except BoxError as error:
        # Padding after a complete movie harms nobody; before that it is the fault itself.
        if not _has(spans, b"moov"):
            raise media_error(f"not a readable mp4: {error}; {AGAIN}", path) from error
    if not _has(spans, b"moov"):
        raise media_error("mp4 without a moov box: the recording was never finished, or is cut", path)
    return spans


def recognise_impostor(head: bytes) -> str | None:
    """Return what a file is instead of a video, as its first bytes tell; None if they do not tell."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        return f"empty file (0 bytes); {AGAIN}"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the video: run git lfs pull"
    if text.startswith(b"<"):
        return f"an HTML/XML page, not a video (a failed download?); {AGAIN}"
    return None


def _refuse_impostors(head: bytes, path: Path) -> None:
    if (what := recognise_impostor(head)) is not None:
        raise media_error(what, path)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        raise NeedsRemux("not an mp4 but Matroska/WebM")
    if head[4:8] not in MOVIE_BOXES:
        raise NeedsRemux(f"not an mp4 (first box {printable_kind(head[4:8])})")


def _describe_truncation(span: Span, size_bytes: int, before: list[Span]) -> str:
    needs = f"truncated: box {printable_kind(span.kind)} at {span.start} needs {span.end - span.start} bytes"
    lost = "" if _has(before, b"moov") else "; moov not found"
    return f"{needs}, file has {size_bytes}{lost}; {AGAIN}"


def _has(spans: list[Span], kind: bytes) -> bool:
    return any(span.kind == kind for span in spans)
