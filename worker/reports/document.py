"""A report as both renderings see it: headings, sentences, tables and pictures, all text final.

Numbers are already formatted and every text is printable, so that the PDF and the HTML cannot
differ in what they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; an emphasised one carries the result."""

    text: str
    emphasised: bool = False
    kind: Literal["paragraph"] = field(default="paragraph", init=False)


@dataclass(frozen=True, slots=True)
class Bullets:
    """Sentences one below the other."""

    items: tuple[str, ...]
    kind: Literal["bullets"] = field(default="bullets", init=False)


@dataclass(frozen=True, slots=True)
class Column:
    """A column's header; figures are set to the right, ``width`` is its share of the page."""

    title: str
    numeric: bool = False
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row names it."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: Literal["table"] = field(default="table", init=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as SVG of our own making, and what it shows in words."""

    svg: str
    alternative: str
    caption: str
    kind: Literal["picture"] = field(default="picture", init=False)


Block: TypeAlias = Paragraph | Bullets | Table | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A heading (level 2 or 3; the title is level 1) and what stands under it."""

    heading: str
    blocks: tuple[Block, ...]
    level: Literal[2, 3] = 2
    on_new_page: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What a report is about, as people know it, and when the assessment was made."""

    development: str | None
    reference: str | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report; ``made_at`` is when the assessment was made, and has a time zone."""

    title: str
    made_at: datetime
    sections: tuple[Section, ...]
