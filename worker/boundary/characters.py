"""Which characters the bytes of a shapefile's table stand for: its .cpg says it, or the table."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from worker.errors import BoundaryError

# What ArcGIS, QGIS and MapInfo write into a .cpg: UTF-8, 65001, 1252, ANSI 1252, ISO-8859-1, 88591.
_UTF_8 = re.compile(r"(?i)utf-?8|65001")
_LATIN = re.compile(r"(?i)(?:iso)?[ _-]*8859[ _-]*(\d{1,2})")
_CODE_PAGE = re.compile(r"(?i)(?:ansi|oem|cp|ibm|windows|ms)?[ _-]*(\d{3,5})")
_OTHER_NAMES = {
    "ascii": "ascii",
    "us-ascii": "ascii",
    "latin1": "iso8859-1",
    "28591": "iso8859-1",
}
# Also of one that we do not know; LDID/87 is the language driver again, as ArcGIS writes it.
_A_NAME = re.compile(r"(?a)\w[\w .()-]{0,30}(?:/\d{1,3})?")
# The language driver of dBASE: 0x57 is ESRI's "ANSI", 0x03 Windows, 0x02 MS-DOS in the west.
_DRIVERS = {0x57: "cp1252", 0x03: "cp1252", 0x02: "cp850"}


@dataclass(frozen=True, slots=True)
class Characters:
    """``encoding`` is None where the .cpg names one that is not known."""

    encoding: str | None

    @classmethod
    def stated(cls, cpg: bytes | None, language_driver: int) -> Characters:
        """Of a table with this .cpg and this byte in its header; UTF-8 where neither says.

        Raises BoundaryError ``boundary_unreadable`` for a .cpg that is something else.
        """
        name = (cpg or b"").decode("utf-8-sig", errors="replace").strip(" \t\r\n\x00")
        if not name:
            return cls(_DRIVERS.get(language_driver, "utf-8"))
        if not _A_NAME.fullmatch(name):
            raise BoundaryError(
                "boundary_unreadable",
                "The .cpg file does not hold the name of a character set. Please export the"
                " shapefile again, in UTF-8.",
            )
        if _UTF_8.fullmatch(name):
            return cls("utf-8")
        latin, code_page = _LATIN.fullmatch(name), _CODE_PAGE.fullmatch(name)
        known = f"iso8859-{latin[1]}" if latin else f"cp{code_page[1]}" if code_page else ""
        try:
            return cls(codecs.lookup(_OTHER_NAMES.get(name.lower(), known)).name)
        except LookupError:
            return cls(None)

    def decode(self, value: bytes, column: str) -> str:
        """``value`` as text; ASCII is the same in every character set.

        Raises BoundaryError ``boundary_unreadable``.
        """
        try:
            return value.decode(self.encoding or "ascii")
        except UnicodeError as error:
            raise self._undecodable(column) from error

    def _undecodable(self, column: str) -> BoundaryError:
        if self.encoding is None:
            sentence = (
                f"The .cpg file names a character set that is not known, and the column {column}"
                " holds characters that need it. Please export the shapefile again, in UTF-8."
            )
        else:
            sentence = (
                f"The column {column} holds characters that are not {self.encoding.upper()}. Please"
                " export the shapefile again with its .cpg file, or in UTF-8."
            )
        return BoundaryError("boundary_unreadable", sentence)
