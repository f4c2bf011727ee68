"""What the reader promises about every file, whatever is in it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import shapely

from tests.fakes.boundary_reading import MEGABYTE, checked, limits
from tests.fuzz import witness
from worker.boundary import wire
from worker.boundary.attributes import MAX_DWELLINGS, MAX_TEXT
from worker.boundary.codes import BOUNDARY_CODES
from worker.boundary.model import Area, Boundary, SurveyPonds
from worker.boundary.parse import read_boundary, read_survey_ponds
from worker.boundary.validate import MAX_EASTING_M, MAX_NORTHING_M
from worker.errors import BoundaryError

Kind: TypeAlias = Literal["boundary", "outlines", "survey_ponds"]
Answer: TypeAlias = Boundary | SurveyPonds | BoundaryError

# Low enough to be reached by a mutation, far above what the seeds need.
LIMITS = limits(
    max_bytes=MEGABYTE, max_expanded_bytes=2 * MEGABYTE, max_vertices=20_000, max_features=1_000
)
# The limits above bound the work; a loaded machine is given time, a loop is not.
MOST_CPU_S = 10.0

_ACCEPTED = {"EPSG:27700", "EPSG:4326", "OGC:CRS84"}
# Codes that a file of this kind can never be refused with.
_FOREIGN: dict[Kind, set[str]] = {
    "boundary": {"survey_ponds_invalid", "dwellings_missing", "transformation_unavailable"},
    "outlines": {
        "survey_ponds_invalid", "dwellings_missing", "dwellings_invalid",
        "transformation_unavailable",
    },
    "survey_ponds": {"dwellings_missing", "dwellings_invalid", "transformation_unavailable"},
}  # fmt: skip


class Broken(Exception):
    """A promise was not kept; the text says which."""


@dataclass(frozen=True)
class Outcome:
    """``code`` is a refusal's, or ``read``; ``shape`` tells refusals of one code apart."""

    code: str
    shape: str


def examine(content: bytes, kind: Kind, folder: Path) -> Outcome:
    """Read ``content`` in this process, below a ``folder`` of its own; raises Broken."""
    path, target = folder / "upload", folder / "files"
    path.write_bytes(content)
    target.mkdir(exist_ok=True)
    started = time.process_time()
    try:
        answer = _read(kind, path, target)
        if not isinstance(answer, BoundaryError):
            witness.compare(answer, content, target, with_dwellings=kind == "boundary")
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}"[:200]) from error
    finally:
        strangers = {entry.name for entry in folder.iterdir()} - {"upload", "files"}
        written = [entry.name for entry in target.iterdir()]
        for name in written:
            (target / name).unlink()
    if time.process_time() - started > MOST_CPU_S:
        raise Broken("it took too long")
    if strangers or not all(re.fullmatch(r"boundary\.[a-z]{3,7}", name) for name in written):
        raise Broken(f"files of other names: {strangers} {written}")
    return judged(answer, kind)


def _read(kind: Kind, path: Path, target: Path) -> Answer:
    try:
        if kind == "survey_ponds":
            return read_survey_ponds(path, filename_hint="ponds", target=target, limits=LIMITS)
        return read_boundary(
            path,
            filename_hint="site.zip",
            target=target,
            limits=LIMITS,
            with_dwellings=kind == "boundary",
        )
    except BoundaryError as refusal:
        return refusal


def judged(answer: Answer, kind: Kind) -> Outcome:
    """How a file ended; raises Broken unless that is one of the two ways it may end."""
    try:
        if isinstance(answer, BoundaryError):
            return _refused(answer, kind)
        return _accepted(answer)
    except (AssertionError, wire.WireError, UnicodeError) as error:
        raise Broken(f"{type(error).__name__}: {error}"[:200]) from error


def _refused(error: BoundaryError, kind: Kind) -> Outcome:
    checked(error)
    assert error.code in BOUNDARY_CODES - _FOREIGN[kind], f"foreign code {error.code}"
    assert error.sentence.isprintable() and len(error.sentence) < 600, "sentence for one line"
    try:
        wire.decode_boundary(wire.encode_refusal(error), LIMITS)
    except BoundaryError as received:
        assert (received.code, received.sentence) == (error.code, error.sentence), "wire"
    return Outcome(error.code, re.sub(r"\d[\d.,e+-]*", "0", error.sentence)[:70])


def _accepted(answer: Boundary | SurveyPonds) -> Outcome:
    assert answer.source_crs in _ACCEPTED, f"source CRS {answer.source_crs}"
    if isinstance(answer, Boundary):
        assert wire.decode_boundary(wire.encode_boundary(answer), LIMITS) == answer, "wire"
        areas = [_numbered(one.number, one.geometry) for one in answer.features]
        for one in answer.features:
            assert one.dwellings is None or 0 <= one.dwellings <= MAX_DWELLINGS, "dwellings"
            _texts((one.id, one.name, one.dwelling_category, one.source))
    else:
        assert wire.decode_survey_ponds(wire.encode_survey_ponds(answer), LIMITS) == answer, "wire"
        areas = [_numbered(pond.number, pond.geometry) for pond in answer.ponds]
        assert all(pond.pans in {"P", "A", "NS"} for pond in answer.ponds), "PANS"
    assert [number for number, _ in areas] == list(range(1, len(areas) + 1)), "numbers"
    assert areas, "no feature"
    _geometries([area for _, area in areas])
    kinds = sorted({area.geom_type for _, area in areas})
    return Outcome("read", f"{answer.source_crs} {min(len(areas), 4)} {' '.join(kinds)}")


def _numbered(number: int, area: Area) -> tuple[int, Area]:
    return number, area


def _texts(texts: Sequence[str | None]) -> None:
    for text in texts:
        if text is not None:
            assert 0 < len(text) <= MAX_TEXT, "length of a text"
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text), "control character"
            # PostgreSQL takes nothing that is not UTF-8.
            text.encode()


def _geometries(areas: Sequence[Area]) -> None:
    """The same promises that ``validate`` checks, asked in another way."""
    for area in areas:
        assert area.geom_type in {"Polygon", "MultiPolygon"}, area.geom_type
        places = shapely.get_coordinates(area, include_z=True)[:, :2]
        assert not area.has_z, "heights"
        assert len(places) > 3 and area.area > 0, "empty"
        assert np.isfinite(places).all(), "not finite"
        assert area.is_valid, "not valid"
        assert (places >= 0).all() and (places <= [MAX_EASTING_M, MAX_NORTHING_M]).all(), "extent"
