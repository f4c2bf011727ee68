"""One gzip stream put together of parts that were compressed apart from each other.

Some readers stop after the first member of a gzip file, so there is to be only one (RFC 1952). Its
deflate blocks may come from several compressors (RFC 1951): each part ends on a byte and with a
block that is not the last. The checksum of the whole follows from those of the parts.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# That of the gzip command.
_LEVEL = 6
# CRC-32's polynomial with the coefficient of 1 in the highest bit, as the checksum has it.
_POLYNOMIAL = 0xEDB88320
_ONE, _X = 1 << 31, 1 << 30
_MAGIC_AND_METHOD, _NO_FLAGS, _EXTRA_FLAGS, _UNIX = b"\x1f\x8b\x08", 0, 0, 3
_LAST_BLOCK = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush()


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of a part: ``size`` in bytes before compression, ``crc`` of these bytes."""

    size: int
    crc: int


def deflate(pieces: Iterable[bytes], write: Callable[[bytes], object]) -> Part:
    """Compress ``pieces`` into a part, which ``write`` is given bit by bit."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    size = crc = 0
    for piece in pieces:
        size += len(piece)
        crc = zlib.crc32(piece, crc)
        write(compressor.compress(piece))
    write(compressor.flush(zlib.Z_SYNC_FLUSH))
    return Part(size, crc)


class GzipStream:
    """Sends a gzip file to ``sink``: parts in their order, then ``close``.

    ``modified``: seconds since 1970, as the header has them.
    """

    def __init__(self, sink: Callable[[bytes], None], *, modified: int) -> None:
        self._sink = sink
        self._size = 0
        self._crc = 0
        sink(struct.pack("<3sBLBB", _MAGIC_AND_METHOD, _NO_FLAGS, modified, _EXTRA_FLAGS, _UNIX))

    def write(self, data: bytes) -> None:
        """Compress ``data`` as a part of its own and send it."""
        self._count(deflate((data,), self._sink))

    def append(self, part: Part, compressed: Iterable[bytes]) -> None:
        """Send a part that was compressed before."""
        for piece in compressed:
            self._sink(piece)
        self._count(part)

    def close(self) -> None:
        """Send what ends the file: the last block, checksum and size."""
        self._sink(_LAST_BLOCK + struct.pack("<LL", self._crc, self._size % 2**32))

    def _count(self, part: Part) -> None:
        self._size += part.size
        self._crc = _times(self._crc, _power_of_x(8 * part.size)) ^ part.crc


def _power_of_x(exponent: int) -> int:
    """x to the power of ``exponent``, modulo the polynomial."""
    result, factor = _ONE, _X
    while exponent:
        if exponent & 1:
            result = _times(result, factor)
        factor = _times(factor, factor)
        exponent >>= 1
    return result


def _times(one: int, other: int) -> int:
    """Product of two polynomials over the numbers 0 and 1, modulo the polynomial."""
    product = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product
