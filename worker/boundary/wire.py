"""What is asked of the child and what it sends back: a JSON header, then WKB of each feature.

The child has opened a stranger's file, so its answer is untrusted too: no pickle, and the parent
checks every field and every geometry again. Nothing but the types below can come out of it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import shapely

from worker.boundary.codes import BOUNDARY_CODES
from worker.boundary.model import (
    Area,
    Boundary,
    BoundaryFeature,
    SurveyPond,
    SurveyPonds,
)
from worker.boundary.validate import check_extent, check_shape
from worker.errors import BoundaryError

# Written by a child once it is warm and waits for its request.
READY = b"R"
# Kinds of request; OUTLINES is a boundary in which dwellings do not matter.
BOUNDARY, OUTLINES, SURVEY_PONDS = "boundary", "outlines", "survey_ponds"

_LENGTH = struct.Struct(">Q")
_MAX_SENTENCE = 1000


class WireError(ValueError):
    """The answer is not one that the child's code writes."""


def encode_boundary(boundary: Boundary) -> bytes:
    """The answer for a file that passed every check."""
    shapes = [shapely.to_wkb(feature.geometry) for feature in boundary.features]
    header = {
        "source_crs": boundary.source_crs,
        "has_dwellings": boundary.has_dwellings,
        "warnings": boundary.warnings,
        "features": [
            {
                "number": feature.number,
                "dwellings": feature.dwellings,
                "id": feature.id,
                "name": feature.name,
                "dwelling_category": feature.dwelling_category,
                "source": feature.source,
                "wkb_bytes": len(shape),
            }
            for feature, shape in zip(boundary.features, shapes, strict=True)
        ],
    }
    return _frame(header, shapes)


def encode_survey_ponds(survey: SurveyPonds) -> bytes:
    """The answer for a survey file that passed every check."""
    shapes = [shapely.to_wkb(pond.geometry) for pond in survey.ponds]
    header = {
        "source_crs": survey.source_crs,
        "warnings": survey.warnings,
        "ponds": [
            {
                "number": pond.number,
                "pans": pond.pans,
                "tmp_imp": pond.tmp_imp,
                "wkb_bytes": len(shape),
            }
            for pond, shape in zip(survey.ponds, shapes, strict=True)
        ],
    }
    return _frame(header, shapes)


def encode_refusal(error: BoundaryError) -> bytes:
    """The answer for a file that was refused."""
    return _frame({"code": error.code, "sentence": error.sentence, "detail": error.detail}, ())


def _frame(header: object, shapes: Sequence[bytes]) -> bytes:
    text = json.dumps(header).encode()
    return b"".join((_LENGTH.pack(len(text)), text, *shapes))


def decode_boundary(answer: bytes) -> Boundary:
    """The boundary in ``answer``.

    Raises the child's BoundaryError; WireError if the answer is malformed or holds a geometry that
    the child should have refused.
    """
    header, shapes = _unframe(answer)
    match header:
        case {
            "source_crs": str(source_crs),
            "has_dwellings": bool(has_dwellings),
            "warnings": list(warnings),
            "features": list(items),
        } if items:
            return Boundary(
                features=tuple(map(_boundary_feature, _items(items, shapes))),
                source_crs=source_crs,
                has_dwellings=has_dwellings,
                warnings=_sentences(warnings),
            )
    raise WireError("unknown header")


def decode_survey_ponds(answer: bytes) -> SurveyPonds:
    """The ponds in ``answer``; raises what ``decode_boundary`` does."""
    header, shapes = _unframe(answer)
    match header:
        case {
            "source_crs": str(source_crs),
            "warnings": list(warnings),
            "ponds": list(items),
        } if items:
            return SurveyPonds(
                ponds=tuple(map(_survey_pond, _items(items, shapes))),
                source_crs=source_crs,
                warnings=_sentences(warnings),
            )
    raise WireError("unknown header")


def _unframe(answer: bytes) -> tuple[object, bytes]:
    """Header and shapes of an answer that is not a refusal; a refusal is raised."""
    try:
        (length,) = _LENGTH.unpack_from(answer)
        end = _LENGTH.size + length
        header = json.loads(answer[_LENGTH.size : end])
    except (struct.error, ValueError, RecursionError) as error:
        raise WireError("no header") from error
    match header:
        case {"code": str(code), "sentence": str(sentence), "detail": str(detail)}:
            if code not in BOUNDARY_CODES or len(sentence) > _MAX_SENTENCE:
                raise WireError("unknown refusal")
            raise BoundaryError(code, sentence, detail=detail[:_MAX_SENTENCE])
    return header, answer[end:]


def _sentences(warnings: Sequence[object]) -> tuple[str, ...]:
    sentences = tuple(warning for warning in warnings if isinstance(warning, str))
    if len(sentences) != len(warnings):
        raise WireError("a warning is not text")
    return sentences


@dataclass(frozen=True, slots=True)
class _Item:
    """A feature whose geometry was checked; its attributes were not."""

    number: int
    geometry: Area
    attributes: Mapping[str, object]


def _items(items: Sequence[object], shapes: bytes) -> Iterator[_Item]:
    start = 0
    for number, item in enumerate(items, start=1):
        match item:
            case {"number": stated, "wkb_bytes": int(size)} if (
                isinstance(item, dict) and stated == number and 0 < size <= len(shapes) - start
            ):
                yield _Item(number, _geometry(shapes[start : start + size], number), item)
                start += size
            case _:
                raise WireError(f"feature {number} is malformed")
    if start != len(shapes):
        raise WireError("bytes left over")


def _boundary_feature(item: _Item) -> BoundaryFeature:
    match item.attributes:
        case {
            "dwellings": int() | None as dwellings,
            "id": str() | None as own_id,
            "name": str() | None as name,
            "dwelling_category": str() | None as dwelling_category,
            "source": str() | None as source,
        }:
            return BoundaryFeature(
                number=item.number,
                geometry=item.geometry,
                dwellings=dwellings,
                id=own_id,
                name=name,
                dwelling_category=dwelling_category,
                source=source,
            )
    raise WireError(f"feature {item.number} is malformed")


def _survey_pond(item: _Item) -> SurveyPond:
    match item.attributes:
        case {"pans": "P" | "A" | "NS" as pans, "tmp_imp": "T" | "F" as tmp_imp}:
            return SurveyPond(item.number, item.geometry, pans, tmp_imp)
    raise WireError(f"pond {item.number} is malformed")


def _geometry(wkb: bytes, number: int) -> Area:
    try:
        geometry = shapely.from_wkb(wkb)
        if not isinstance(geometry, shapely.Polygon | shapely.MultiPolygon):
            raise WireError(f"feature {number} is not polygonal")
        check_shape(geometry, f"Feature {number}")
        check_extent(geometry, f"Feature {number}")
    except (shapely.errors.ShapelyError, BoundaryError) as error:
        raise WireError(f"feature {number}: {error}") from error
    return geometry
