"""Text files of any encoding that tells itself: UTF-8, and UTF-16 and UTF-32 as some editors save them."""

import codecs
from pathlib import Path

# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Two characters of ASCII without a mark, as JSON and SQL begin.
_PATTERNS = (((False, True, False, True), "utf-16-le"), ((True, False, True, False), "utf-16-be"))
_MOST_TEXT_BYTES = 2**30


def find_encoding(begin: bytes) -> str:
    """Return the encoding of a text by its first four bytes: "utf-8" unless they say something else.

    Source: the Unicode standard on byte order marks; RFC 4627 on zeros between characters of ASCII.
    """
    marked = next((name for mark, name in _MARKS if begin.startswith(mark)), None)
    if marked is not None:
        return marked
    zeros = tuple(byte == 0 for byte in begin[:4])
    return next((name for pattern, name in _PATTERNS if zeros == pattern), "utf-8")


def read_encoding(path: Path) -> str:
    """Return the encoding of a file by its first bytes. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return find_encoding(file.read(4))


def decode_text(content: bytes) -> str:
    """Return the text that a file's content is, without a mark.

    Raises:
        UnicodeDecodeError: if it is no text; a ValueError.
    """
    return content.decode(find_encoding(content[:4])).removeprefix("\ufeff")


def read_text(path: Path) -> str:
    """Return the text in a file.

    Raises:
        ValueError: if it is no text, or more than anyone writes.
        OSError: if it cannot be read.
    """
    if (size := path.stat().st_size) > _MOST_TEXT_BYTES:
        raise ValueError(f"{size:,} bytes are no text")
    return decode_text(path.read_bytes())
