"""Reports from a database: what their maps find there, and what an e-mail carries of them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
import pytest
import shapely
from psycopg import Connection

from tests.fakes import newt_world
from tests.fakes.clients import JANE, REFERENCE, TEMPLATE, notify_client
from tests.fakes.nutrient_world import CONSTANTS, landscape, placed, rectangle, site
from tests.fakes.reference_layers import ReferenceLayers
from tests.fakes.reports import ABOUT, Pdf
from worker import logs
from worker.assessments.gcn import assess_gcn
from worker.assessments.nutrient import assess_nutrient
from worker.boundary.model import Site
from worker.clients.notify import MAX_UPLOAD_BYTES, PersonalisationValue
from worker.demo.notify import FakeNotify
from worker.errors import Interrupted
from worker.jobs.attachments import attachments
from worker.jobs.context import Interruption, StopReason
from worker.jobs.deliveries import EmailDelivery
from worker.jobs.notices import Notices, Subject
from worker.jobs.report_files import NewtOutcome, NutrientOutcome
from worker.ledger.models import NewDelivery
from worker.reports.document import Picture, Report
from worker.reports.gcn_report import gcn_report
from worker.reports.map_data import MAX_CELLS
from worker.reports.nutrient_report import nutrient_report
from worker.settings import NotifySettings, RuntimeSettings

NOTICES = Notices(
    NotifySettings(
        govuk_notify_template_job_completed=TEMPLATE,
        govuk_notify_results_base_url="https://nrf.example.gov.uk/results",
        report_by_email=True,
    )
)
LINK = "https://nrf.example.gov.uk/results/job-0001"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def nutrients(connection: Connection, layers: ReferenceLayers, *sites: Site) -> NutrientOutcome:
    result = assess_nutrient(connection, sites, layers.versions, CONSTANTS)
    return NutrientOutcome(sites, layers.versions, result)


def pictures(report: Report) -> list[Picture]:
    return [
        block
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Picture)
    ]


def emailed(deliveries: tuple[NewDelivery, ...]) -> Mapping[str, PersonalisationValue]:
    (delivery,) = deliveries
    return EmailDelivery.model_validate(delivery.payload).personalisation


def completed(
    outcome: NutrientOutcome, connection: Connection
) -> Mapping[str, PersonalisationValue]:
    """What the e-mail about the outcome is made of."""

    @contextmanager
    def connect() -> Iterator[Connection]:
        yield connection

    attached = attachments(outcome, ABOUT, connect, lambda: None)
    return emailed(NOTICES.completed(Subject("job-0001", "Mill Lane", "nutrient"), JANE, attached))


def test_the_map_shows_the_catchments_works_and_cells_around_a_site(
    connection: Connection,
) -> None:
    outcome = nutrients(connection, landscape(connection), site(rectangle(1900, 500, 2100, 700)))

    (picture,) = pictures(outcome.report(connection, ABOUT))

    for shown in ("Alpha SAC", "Beta SAC", "works 10", "works 20", "Land use: not stated"):
        assert f">{shown}<" in picture.svg
    assert "It lies in Alpha SAC; Beta SAC." in picture.alternative


def test_the_edge_of_the_map_is_not_drawn_as_a_catchments_edge(connection: Connection) -> None:
    outcome = nutrients(connection, landscape(connection), site(rectangle(500, 500, 700, 700)))

    (picture,) = pictures(outcome.report(connection, ABOUT))

    (path,) = re.findall(r'<path d="([^"]+)"[^>]*stroke-dasharray="12 4 2 4"', picture.svg)
    points = [tuple(map(float, pair.split())) for pair in re.findall(r"-?[\d.]+ -?[\d.]+", path)]
    xs, ys = zip(*points, strict=True)
    assert min(xs) < 0 < 720 < max(xs)
    assert min(ys) < 0 < 440 < max(ys)


def test_a_large_site_has_a_map_without_cells_that_says_so(connection: Connection) -> None:
    layers = landscape(connection, cell_size=50.0)
    outcome = nutrients(connection, layers, site(rectangle(0, 0, 4000, 2000), dwellings=9_000))

    (picture,) = pictures(outcome.report(connection, ABOUT))

    assert 80 * 40 > MAX_CELLS
    assert f"more than {MAX_CELLS:,} in this frame" in picture.caption
    assert "Land use" not in picture.svg


def test_several_sites_have_an_overview_and_a_map_each(connection: Connection) -> None:
    sites = [site(rectangle(100 * n, 0, 100 * n + 50, 50), number=n) for n in (1, 2, 3)]
    outcome = nutrients(connection, landscape(connection), *sites)

    maps = pictures(outcome.report(connection, ABOUT))

    captions = [one.caption.split(":")[0] for one in maps]
    assert captions[0].startswith("All sites")
    assert captions[1:] == ["site 1", "site 2", "site 3"]


def test_a_site_with_a_hole_and_several_parts_is_drawn(connection: Connection) -> None:
    ring = shapely.Point(500, 500).buffer(100).difference(shapely.Point(500, 500).buffer(40))
    parts = shapely.MultiPolygon([ring, shapely.box(700, 500, 750, 550)])
    outcome = nutrients(connection, landscape(connection), site(placed(parts)))

    report = outcome.report(connection, ABOUT)

    boundary = re.findall(
        r'<path d="([^"]+)" fill="none" stroke="#0b0c0c"', pictures(report)[0].svg
    )
    assert boundary[-1].count("M") == 3


def test_a_newt_map_shows_zones_ponds_and_buffer(connection: Connection) -> None:
    layers = ReferenceLayers(connection)
    layers.risk_zone("Red", rectangle(-1000, -1000, 1000, 0))
    layers.risk_zone("Amber", rectangle(-1000, 0, 1000, 1000))
    sites = newt_world.newt_sites(rectangle(0, 0, 100, 100), rectangle(300, 0, 400, 100))
    survey = newt_world.survey(
        [
            newt_world.pond(1, newt_world.pond_at(50, 50)),
            newt_world.pond(2, newt_world.pond_at(200, 200), pans="A"),
            newt_world.pond(3, newt_world.pond_at(900, 900)),
        ]
    )
    result = assess_gcn(connection, sites, survey, layers.versions, newt_world.CONSTANTS)

    report = gcn_report(connection, layers.versions, sites, survey, result, ABOUT)

    (picture,) = pictures(report)
    for shown in ("Red risk zone", "Amber risk zone", "Buffer of 250 m", "Pond, newts present"):
        assert f">{shown}<" in picture.svg
    assert "Green risk zone" not in picture.svg
    assert "Risk zones: Red and Amber." in picture.alternative
    assert "Ponds in reach: 1 newts present and 1 newts absent." in picture.alternative
    name, content = NewtOutcome(sites, survey, layers.versions, result).figures()
    assert name.endswith(".txt")
    assert b"PANS|Area|MaxZone|TmpImp|FREQUENCY" in content


def test_the_email_carries_report_and_figures(connection: Connection) -> None:
    outcome = nutrients(connection, landscape(connection), site(rectangle(0, 0, 100, 100)))
    personalisation = completed(outcome, connection)

    with FakeNotify() as notify:
        notify_client(notify.url).send_email(
            TEMPLATE,
            JANE,
            personalisation,
            reference=REFERENCE,
        )
        (email,) = notify.sent

    report, figures = email.personalisation["report_link"], email.personalisation["csv_link"]
    assert isinstance(report, dict)
    assert isinstance(figures, dict)
    assert (report["filename"], figures["filename"]) == ("report.pdf", "nutrient.csv")
    assert report["confirm_email_before_download"] is True
    assert "Mill Lane" in Pdf(base64.b64decode(report["file"])).text()
    assert base64.b64decode(figures["file"]) == outcome.figures()[1]
    assert email.personalisation["report_note"] == ""


@pytest.mark.usefixtures("own_logging")
def test_a_report_that_cannot_be_made_leaves_the_link_and_a_note(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(RuntimeSettings(log_format="json"))
    outcome = nutrients(connection, landscape(connection), site(rectangle(0, 0, 100, 100)))
    connection.execute("DROP TABLE reference.nn_catchments CASCADE")

    personalisation = completed(outcome, connection)

    assert personalisation["report_link"] == LINK
    assert isinstance(personalisation["csv_link"], dict)
    assert personalisation["report_note"] == "The report could not be made."
    assert "report.failed" in capsys.readouterr().out


def test_a_file_that_is_too_large_leaves_the_link_and_a_note(connection: Connection) -> None:
    outcome = nutrients(connection, landscape(connection), site(rectangle(0, 0, 100, 100)))
    (only,) = outcome.result.sites
    large = only.model_copy(update={"name": "x" * MAX_UPLOAD_BYTES})
    outcome = NutrientOutcome(
        outcome.sites, outcome.versions, outcome.result.model_copy(update={"sites": (large,)})
    )

    personalisation = completed(outcome, connection)

    assert personalisation["csv_link"] == LINK
    assert "The file with the figures is too large for an e-mail." in str(
        personalisation["report_note"]
    )


def test_a_job_that_has_to_stop_makes_no_report(connection: Connection) -> None:
    outcome = nutrients(connection, landscape(connection), site(rectangle(0, 0, 100, 100)))
    interruption = Interruption()

    @contextmanager
    def cancelled() -> Iterator[Connection]:
        interruption.interrupt(StopReason.LEASE_LOST)
        connection.execute("SELECT 1 / 0")
        yield connection

    with pytest.raises(Interrupted):
        attachments(outcome, ABOUT, cancelled, interruption.checkpoint)


def test_the_report_of_a_stored_result_is_always_the_same(connection: Connection) -> None:
    layers = landscape(connection)
    outcome = nutrients(connection, layers, site(rectangle(1900, 500, 2100, 700)))

    first, second = (
        nutrient_report(connection, layers.versions, outcome.sites, outcome.result, ABOUT)
        for _ in range(2)
    )

    assert first == second
