"""A report as PDF/UA and as a web page: structure, the same words, and names that attack."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.fakes.nutrient_results import IN_SCOPE, OUT_OF_SCOPE, pinned_result
from tests.fakes.reports import ABOUT, MADE_AT, PICTURE, Page, Pdf, dictionary
from worker.reports.document import (
    About,
    Bullets,
    Column,
    Paragraph,
    Picture,
    Report,
    Section,
    Table,
)
from worker.reports.figures import printable
from worker.reports.nutrient_report import Maps, compose
from worker.reports.render import render_html, render_pdf

HOSTILE = (
    '#eval("1+1") #pagebreak() #read("/etc/passwd") $x$ *b* _i_ `raw` @ref <label> [c] \\ // /* =H'
    " {{ 7*7 }} {% include 'x' %} </title><script>alert(1)</script> &amp; \"' <svg onload=x>"
)


def report_of(*names: str) -> Report:
    """A report with every kind of block, whose texts are ``names``."""
    name = printable(" ".join(names))
    table = Table(name, (Column(name), Column("N", numeric=True)), ((name, "1.5"),))
    return Report(
        title=name,
        made_at=MADE_AT,
        sections=(
            Section(name, (Paragraph(name), Paragraph(name, emphasised=True), Bullets((name,)))),
            Section(name, (table, Picture(PICTURE.svg, name, name)), level=3, on_new_page=True),
        ),
    )


@pytest.fixture(scope="module")
def report() -> Report:
    site = IN_SCOPE.model_copy(update={"warnings": ("Half of it is water.",)})
    return compose(
        pinned_result(site, OUT_OF_SCOPE), Maps({1: PICTURE, 2: PICTURE}, PICTURE), ABOUT
    )


@pytest.fixture(scope="module")
def pdf(report: Report) -> Pdf:
    return Pdf(render_pdf(report))


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(render_html(report))


def test_the_pdf_says_that_it_is_accessible_and_names_itself(pdf: Pdf) -> None:
    assert "<pdfuaid:part>1</pdfuaid:part>" in pdf.xmp
    assert dictionary(pdf.root["/MarkInfo"])["/Marked"]
    assert str(pdf.root["/Lang"]) == "en-GB"
    assert pdf.title == "Nutrient impact of Mill Lane"
    assert dictionary(pdf.root["/ViewerPreferences"])["/DisplayDocTitle"]


def test_the_pdf_has_headings_tables_with_headers_and_pictures_in_words(pdf: Pdf) -> None:
    tags = pdf.tags()
    tables = tags.all("Table")
    assert len(tables) >= 7
    assert all(table.all("TH") for table in tables)
    pictures = [one for one in tags.all("Figure") if one.alternative is not None]
    assert [one.alternative for one in pictures] == ["A black square."] * 3
    assert tags.all("Title") or tags.all("H1")
    assert tags.all("H2")
    assert tags.all("LI")


def test_the_page_has_a_language_a_title_and_headings_in_order(page: Page) -> None:
    assert page.of("html") == [{"lang": "en-GB"}]
    assert page.title == "Nutrient impact of Mill Lane"
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_header_of_a_table_says_what_it_heads(page: Page) -> None:
    assert len(page.of("table")) == len(page.of("caption"))
    assert {header.get("scope") for header in page.of("th")} == {"col", "row"}


def test_the_page_loads_nothing_and_runs_nothing(report: Report, page: Page) -> None:
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not {"src", "href", "srcset"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    html = render_html(report)
    assert "@import" not in html
    assert not re.findall(r"url\((?!#)", html)
    assert set(re.findall(r"https?://[^\"<\s]+", html)) <= {"http://www.w3.org/2000/svg"}


def test_both_say_the_same_words(pdf: Pdf, page: Page) -> None:
    words = set(re.findall(r"[^\s/•]+", page.text))
    in_pdf = pdf.text()
    missing = {word for word in words if word not in in_pdf}
    assert missing == set()


def test_hostile_names_are_text_in_both() -> None:
    attacked = report_of(HOSTILE)
    pdf, page = Pdf(render_pdf(attacked)), Page(render_html(attacked))

    squeezed = re.sub(r"\s", "", HOSTILE)
    assert re.sub(r"\s", "", pdf.text()).count(squeezed) >= 6
    assert re.sub(r"\s", "", page.text).count(squeezed) >= 6
    assert not page.of("script")
    assert page.title == printable(HOSTILE)
    assert pdf.tags().all("Figure")[-1].alternative == printable(HOSTILE)


@pytest.mark.parametrize(
    "name",
    [
        "\U0001f600 \u4e2d\u6587",
        "a\u202eb\u200bc",
        "tab\tline\nbreak\x00\x07",
        "\ue000\ud800",
        "e\u0301",
    ],
)
def test_what_a_font_cannot_show_never_stops_a_report(name: str) -> None:
    text = printable(name)
    assert text.isprintable()
    render_pdf(report_of(name))


def test_every_character_that_passes_can_be_shown() -> None:
    everything = "".join(chr(code) for code in range(0x20, 0x10000) if not 0xD800 <= code < 0xE000)
    kept = "".join(sorted({char for char in everything if printable(char) == char}))
    assert len(kept) > 700
    render_pdf(report_of(kept))


def test_the_same_report_gives_the_same_bytes(report: Report) -> None:
    assert render_pdf(report) == render_pdf(report)
    assert render_html(report) == render_html(report)


def test_a_report_of_a_nameless_development_still_has_a_title() -> None:
    nameless = compose(
        pinned_result(OUT_OF_SCOPE.model_copy(update={"name": None})),
        Maps({2: PICTURE}),
        About(None, None, MADE_AT),
    )
    assert Pdf(render_pdf(nameless)).title == "Nutrient impact of unnamed development"
