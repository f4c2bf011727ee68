"""What reports are made of in tests, and what can be read back from a PDF and a page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser

from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, PdfObject

from worker.reports.document import About, Picture

MADE_AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ABOUT = About("Mill Lane", "job-0001", MADE_AT)
PICTURE = Picture(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>',
    "A black square.",
    "No map.",
)


@dataclass(frozen=True, slots=True)
class Tag:
    """An element of a PDF's structure: its type, alternative text, and what is in it."""

    kind: str
    alternative: str | None
    children: tuple[Tag, ...]

    def all(self, kind: str) -> list[Tag]:
        """Every element of that type, in reading order."""
        found = [self] if self.kind == kind else []
        return found + [one for child in self.children for one in child.all(kind)]


class Pdf:
    """A PDF as a reader of its structure sees it."""

    def __init__(self, content: bytes) -> None:
        self._reader = PdfReader(io.BytesIO(content), strict=True)
        self.root = dictionary(self._reader.trailer["/Root"])

    @property
    def title(self) -> str | None:
        return self._reader.metadata.title if self._reader.metadata else None

    @property
    def xmp(self) -> str:
        return bytes(dictionary(self.root["/Metadata"]).get_data()).decode()  # type: ignore[attr-defined]

    def text(self) -> str:
        """All text in reading order, on one line."""
        return " ".join(" ".join(page.extract_text() for page in self._reader.pages).split())

    def tags(self) -> Tag:
        """The structure, from its root."""
        return Tag("Root", None, tuple(_tags(dictionary(self.root["/StructTreeRoot"]).get("/K"))))


def dictionary(found: PdfObject) -> DictionaryObject:
    resolved = found.get_object()
    assert isinstance(resolved, DictionaryObject)
    return resolved


def _tags(kids: PdfObject | None) -> Iterator[Tag]:
    found = None if kids is None else kids.get_object()
    for kid in found if isinstance(found, ArrayObject) else [found]:
        one = kid.get_object() if isinstance(kid, PdfObject) else None
        if isinstance(one, DictionaryObject) and "/S" in one:
            alternative = one.get("/Alt")
            yield Tag(
                str(one["/S"]).removeprefix("/"),
                None if alternative is None else str(alternative),
                tuple(_tags(one.get("/K"))),
            )


class Page(HTMLParser):
    """A web page taken apart: its elements in order, and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.title = ""
        self._inside: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "rect", "path"):
            self._inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag, f"{tag} closes what it did not open"
        self.text += " "

    def handle_data(self, data: str) -> None:
        if "svg" in self._inside or "style" in self._inside:
            return
        if self._inside[-1:] == ["title"]:
            self.title += data
        else:
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element with that tag."""
        return [attributes for name, attributes in self.elements if name == tag]
