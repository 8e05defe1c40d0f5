"""Read and write structs in Thrift's compact protocol: parquet's footers and page headers.

Why not a library: thrift and thriftpy2 need an IDL file and build one object per struct, fastparquet needs
pandas, and pyarrow does not offer its own codec. parquet needs little of the protocol.

Source: the specification of Thrift's compact protocol.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

Fields: TypeAlias = dict[int, Any]

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, BINARY, _LIST, _SET, _MAP, STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
I32 = 5
_INTEGERS = (4, I32, 6)
_MOST_LEVELS = 16


class NotThrift(ValueError):
    """The bytes are not a struct, or not a whole one."""


@dataclass
class ThriftReader:
    """Reads values from `data`, from byte `at` on."""

    data: bytes
    at: int = 0
    level: int = 0

    def read_struct(self) -> Fields:
        """Return the fields of a struct by their numbers. Raises NotThrift if it is damaged."""
        if self.level == _MOST_LEVELS:
            raise NotThrift("structs lie too deep in each other")
        self.level += 1
        fields = {number: self._read_value(kind) for number, kind in self._walk_heads()}
        self.level -= 1
        return fields

    def locate_fields(self) -> dict[int, tuple[int, int]]:
        """Return where each field of a struct begins and ends. Raises NotThrift if it is damaged."""
        places, start = {}, self.at
        for number, kind in self._walk_heads():
            self._read_value(kind)
            places[number] = (start, self.at)
            start = self.at
        return places

    def find_field_end(self, field: int) -> int:
        """Return where a field of a struct ends. Raises NotThrift if there is no such field."""
        for number, kind in self._walk_heads():
            self._read_value(kind)
            if number == field:
                return self.at
        raise NotThrift(f"no field {field}")

    def _walk_heads(self) -> Iterator[tuple[int, int]]:
        """Yield number and type of each field of a struct; the caller reads its value before the next."""
        number = 0
        while (head := self._read_byte()) != _STOP:
            number = number + (head >> 4) if head >> 4 else self._read_integer()
            yield number, head & 15

    def _read_value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in _INTEGERS:
            return self._read_integer()
        if kind == STRUCT:
            return self.read_struct()
        if kind == BINARY:
            return self._read_bytes(self.read_varint())
        if kind in (_BYTE, _DOUBLE):
            return self._read_bytes(1 if kind == _BYTE else 8)
        if kind in (_LIST, _SET):
            return self._read_list()
        raise NotThrift(f"a value of type {kind}")

    def _read_list(self) -> list[Any]:
        head = self._read_byte()
        size, kind = (head >> 4 if head >> 4 < 15 else self.read_varint()), head & 15
        if kind in (_TRUE, _FALSE):  # in lists these have a byte each
            return [value == _TRUE for value in self._read_bytes(size)]
        return [self._read_value(kind) for _ in range(size)]

    def _read_integer(self) -> int:
        value = self.read_varint()
        return (value >> 1) ^ -(value & 1)

    def read_varint(self) -> int:
        """Return the next number. Raises NotThrift if it is cut."""
        value = shift = 0
        while True:
            byte = self._read_byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise NotThrift("a number of more than 64 bits")

    def _read_byte(self) -> int:
        if self.at >= len(self.data):
            raise NotThrift("it ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def _read_bytes(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise NotThrift("it ends too early")
        self.at += size
        return self.data[self.at - size : self.at]


# Writing ------------------------------------------------------------------------------------------


def encode_list_head(size: int, kind: int) -> bytes:
    """Return what stands before the values of a list."""
    return bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + encode_varint(size)


def encode_integer(value: int) -> bytes:
    """Return a number that may be negative, zigzag encoded."""
    return encode_varint((value << 1) ^ (value >> 63))


def encode_varint(value: int) -> bytes:
    """Return a number of 0 or more, seven bits per byte."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
