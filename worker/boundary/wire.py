"""What is asked of the child and what it sends back: blocks, each with its length before it.

The first is a JSON header; then come, for each feature, its attributes in JSON and its WKB, and
last the WKB of all features together if they were dissolved. The child has opened a stranger's
file, so its answer is untrusted too: no pickle, and the parent checks every field and geometry
again. A block is read on its own, so that no answer grows into many times its size, and GEOS sees
WKB whose structure was checked: it descends into nested collections until its stack ends.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import shapely

from worker.boundary.attributes import MAX_DWELLINGS, MAX_TEXT, is_plain
from worker.boundary.codes import BOUNDARY_CODES
from worker.boundary.crs import SourceCrs
from worker.boundary.limits import Limits
from worker.boundary.model import (
    Area,
    Boundary,
    BoundaryFeature,
    SurveyPond,
    SurveyPonds,
)
from worker.boundary.validate import check_extent, check_shape
from worker.errors import BoundaryError, TransientError

# Written by a child once it is warm and waits for its request.
READY = b"R"
# Kinds of request; OUTLINES is a boundary in which dwellings do not matter.
BOUNDARY, OUTLINES, SURVEY_PONDS = "boundary", "outlines", "survey_ponds"

_LENGTH = struct.Struct("<I")
_MAX_SENTENCE = 1000
_MAX_HEADER_BYTES = 64 * 1024
# Four texts, whose characters have up to four bytes each, and the names of the fields.
_MAX_ATTRIBUTES_BYTES = 4 * 4 * MAX_TEXT + 256

# Well-known binary, little-endian and in two dimensions: byte order, type, number of parts.
_WKB_START = struct.Struct("<BII")
_LITTLE_ENDIAN, _WKB_POLYGON, _WKB_MULTIPOLYGON = 1, 3, 6
_WKB_POINT_BYTES = 16
# A ring has four points or more; its own share and that of its polygon are less than this.
_MAX_WKB_BYTES_A_POINT = 20


class WireError(ValueError):
    """The answer is not one that the child's code writes."""


def most_bytes(limits: Limits) -> int:
    """No answer is longer."""
    feature = _MAX_ATTRIBUTES_BYTES + 2 * _LENGTH.size + _WKB_START.size
    shapes = _max_points(limits) * _MAX_WKB_BYTES_A_POINT
    return _MAX_HEADER_BYTES + limits.max_features * feature + shapes


def _max_points(limits: Limits) -> int:
    """Of all features, and once more of the area that they are together."""
    return 2 * limits.max_converted_vertices


def parser_unavailable(detail: str) -> TransientError:
    """There is nothing to open the file with."""
    return TransientError(
        "parser_unavailable",
        "The boundary could not be opened at the moment. It will be tried again.",
        detail=detail,
    )


def encode_boundary(boundary: Boundary) -> bytes:
    """The answer for a file that passed every check."""
    header = {
        "source_crs": boundary.source_crs,
        "warnings": boundary.warnings,
        "features": len(boundary.features),
    }
    blocks = [_json(header)]
    for feature in boundary.features:
        attributes = {
            "dwellings": feature.dwellings,
            "id": feature.id,
            "name": feature.name,
            "dwelling_category": feature.dwelling_category,
            "source": feature.source,
        }
        blocks += [_json(attributes), _wkb(feature.geometry)]
    if boundary.dissolved is not None:
        blocks.append(_wkb(boundary.dissolved))
    return _framed(blocks)


def encode_survey_ponds(survey: SurveyPonds) -> bytes:
    """The answer for a survey file that passed every check."""
    header = {
        "source_crs": survey.source_crs,
        "warnings": survey.warnings,
        "ponds": len(survey.ponds),
    }
    blocks = [_json(header)]
    for pond in survey.ponds:
        attributes = {"pans": pond.pans, "tmp_imp": pond.tmp_imp}
        blocks += [_json(attributes), _wkb(pond.geometry)]
    return _framed(blocks)


def encode_refusal(error: BoundaryError) -> bytes:
    """The answer for a file that was refused."""
    detail = error.detail[:_MAX_SENTENCE]
    return _framed([_json({"code": error.code, "sentence": error.sentence, "detail": detail})])


def encode_trouble(error: OSError) -> bytes:
    """The answer when this machine, and not the file, is at fault."""
    return _framed([_json({"trouble": str(error)[:_MAX_SENTENCE]})])


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _wkb(area: Area) -> bytes:
    encoded: bytes = shapely.to_wkb(area, byte_order=_LITTLE_ENDIAN)
    return encoded


def _framed(blocks: Sequence[bytes]) -> bytes:
    return b"".join(part for block in blocks for part in (_LENGTH.pack(len(block)), block))


def decode_boundary(answer: bytes, limits: Limits) -> Boundary:
    """The boundary in ``answer``; it is dissolved exactly if its features ask for it.

    Raises the child's BoundaryError; TransientError ``parser_unavailable`` if this machine kept it
    from reading; WireError if the answer is malformed or holds what the child should have refused.
    """
    reader = _Reader(answer, limits)
    match reader.header():
        case {"source_crs": str(source_crs), "warnings": list(warnings), "features": int(count)}:
            features = tuple(_boundary_feature(reader, number) for number in reader.numbers(count))
            has_dwellings = any(feature.dwellings is not None for feature in features)
            dissolved = None
            if count > 1 and not has_dwellings:
                dissolved = reader.area("the whole")
            reader.finish()
            return Boundary(
                features=features,
                source_crs=_source(source_crs),
                has_dwellings=has_dwellings,
                warnings=_sentences(warnings),
                dissolved=dissolved,
            )
    raise WireError("unknown header")


def decode_survey_ponds(answer: bytes, limits: Limits) -> SurveyPonds:
    """The ponds in ``answer``; raises what ``decode_boundary`` does."""
    reader = _Reader(answer, limits)
    match reader.header():
        case {"source_crs": str(source_crs), "warnings": list(warnings), "ponds": int(count)}:
            ponds = tuple(_survey_pond(reader, number) for number in reader.numbers(count))
            reader.finish()
            return SurveyPonds(
                ponds=ponds, source_crs=_source(source_crs), warnings=_sentences(warnings)
            )
    raise WireError("unknown header")


class _Reader:
    """Takes an answer apart, block by block; raises WireError for what is not there."""

    def __init__(self, answer: bytes, limits: Limits) -> None:
        self._answer = answer
        self._at = 0
        self._max_features = limits.max_features
        self._points_left = _max_points(limits)

    def header(self) -> object:
        """The header of an answer that is no refusal; a refusal is raised."""
        header = self.attributes(_MAX_HEADER_BYTES)
        match header:
            case {"code": str(code), "sentence": str(sentence), "detail": str(detail)}:
                known = code in BOUNDARY_CODES and len(sentence) <= _MAX_SENTENCE
                if not known or not is_plain(sentence):
                    raise WireError("unknown refusal")
                raise BoundaryError(code, sentence, detail=_encodable(detail))
            case {"trouble": str(detail)}:
                raise parser_unavailable(_encodable(detail))
        return header

    def numbers(self, count: int) -> range:
        """Of ``count`` features."""
        if not 1 <= count <= self._max_features:
            raise WireError("no features, or too many")
        return range(1, count + 1)

    def attributes(self, most: int = _MAX_ATTRIBUTES_BYTES) -> object:
        try:
            parsed: object = json.loads(self._block(most).decode())
        except (ValueError, RecursionError) as error:
            raise WireError("not JSON") from error
        return parsed

    def area(self, where: str) -> Area:
        wkb = self._block(len(self._answer))
        try:
            self._points_left -= _points(wkb)
            if self._points_left < 0:
                raise WireError("too many points")
            geometry = shapely.from_wkb(wkb)
            if not isinstance(geometry, shapely.Polygon | shapely.MultiPolygon):
                raise WireError(f"{where} is not polygonal")
            check_shape(geometry, where)
            check_extent(geometry, where)
        except (struct.error, shapely.errors.ShapelyError, BoundaryError) as error:
            raise WireError(f"{where}: {error}") from error
        return geometry

    def finish(self) -> None:
        if self._at != len(self._answer):
            raise WireError("bytes left over")

    def _block(self, most: int) -> bytes:
        try:
            (size,) = _LENGTH.unpack_from(self._answer, self._at)
        except struct.error as error:
            raise WireError("cut short") from error
        start = self._at + _LENGTH.size
        self._at = start + size
        if size > most or self._at > len(self._answer):
            raise WireError("a block is too long")
        return self._answer[start : self._at]


def _points(wkb: bytes) -> int:
    """How many points ``wkb`` holds, if it is a polygon or polygons to its last byte.

    Raises WireError, and struct.error if it ends too early.
    """
    order, kind, count = _WKB_START.unpack_from(wkb)
    if (order, kind) == (_LITTLE_ENDIAN, _WKB_MULTIPOLYGON):
        points, end = 0, _WKB_START.size
        for _ in range(count):
            more, end = _points_of_polygon(wkb, end)
            points += more
    else:
        points, end = _points_of_polygon(wkb, 0)
    if end != len(wkb):
        raise WireError("a geometry has another length than its points")
    return points


def _points_of_polygon(wkb: bytes, start: int) -> tuple[int, int]:
    """Its points, and where it ends."""
    order, kind, rings = _WKB_START.unpack_from(wkb, start)
    if (order, kind) != (_LITTLE_ENDIAN, _WKB_POLYGON):
        raise WireError("a geometry is no polygon")
    points, end = 0, start + _WKB_START.size
    for _ in range(rings):
        (more,) = _LENGTH.unpack_from(wkb, end)
        points += more
        end += _LENGTH.size + more * _WKB_POINT_BYTES
    return points, end


def _boundary_feature(reader: _Reader, number: int) -> BoundaryFeature:
    match reader.attributes():
        case {
            "dwellings": dwellings,
            "id": own_id,
            "name": name,
            "dwelling_category": dwelling_category,
            "source": source,
        }:
            return BoundaryFeature(
                number=number,
                dwellings=_dwellings(dwellings),
                id=_text(own_id),
                name=_text(name),
                dwelling_category=_text(dwelling_category),
                source=_text(source),
                geometry=reader.area(f"feature {number}"),
            )
    raise WireError(f"feature {number} is malformed")


def _survey_pond(reader: _Reader, number: int) -> SurveyPond:
    match reader.attributes():
        case {"pans": "P" | "A" | "NS" as pans, "tmp_imp": "T" | "F" as tmp_imp}:
            return SurveyPond(number, reader.area(f"pond {number}"), pans, tmp_imp)
    raise WireError(f"pond {number} is malformed")


def _dwellings(value: object) -> int | None:
    if value is None:
        return None
    # A bool is an int to Python.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_DWELLINGS:
        raise WireError("a number of dwellings is not one")
    return value


def _text(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not is_plain(value):
        raise WireError("a text is not one that is read from a file")
    return value


def _source(value: str) -> str:
    try:
        return SourceCrs(value).value
    except ValueError as error:
        raise WireError("unknown coordinate reference system") from error


def _sentences(warnings: Sequence[object]) -> tuple[str, ...]:
    sentences = tuple(
        warning
        for warning in warnings
        if isinstance(warning, str) and len(warning) <= _MAX_SENTENCE and is_plain(warning)
    )
    if len(sentences) != len(warnings):
        raise WireError("a warning is no sentence")
    return sentences


def _encodable(detail: str) -> str:
    """For the log; half of a surrogate pair is no character to it."""
    return detail[:_MAX_SENTENCE].encode(errors="replace").decode()
