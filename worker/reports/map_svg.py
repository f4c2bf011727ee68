"""Draws a map as SVG that reads without colour: patterns, line styles, labels, and a legend.

The same drawing goes into the PDF and, inline, into the web page, so identifiers carry the map's
own prefix. Every text is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from html import escape
from itertools import chain, pairwise

import numpy as np
import shapely

from worker.reports.figures import printable, shortened
from worker.reports.map_frame import HEIGHT_PX, WIDTH_PX, Frame, length
from worker.reports.map_labels import TEXT_PX, Label, placed

# Arial is on the reader's screen, Libertinus Serif inside the PDF compiler.
_FONTS = "Arial, Libertinus Serif, sans-serif"
_INK = "#0b0c0c"
_SIMPLIFY_PX = 0.4
_LEGEND_TOP_PX, _LEGEND_ROW_PX, _LEGEND_COLUMNS = 18, 24, 2
_LEGEND_CHARACTERS = 42


class Fill(Enum):
    """Patterns on a tint: each is told from the others in black and white."""

    NONE = ("", "")
    RISING = ("#fbe9c6", "M-2 2L2 -2M0 10L10 0M8 12L12 8")
    FALLING = ("#d9e8f5", "M-2 8L2 12M0 0L10 10M8 -2L12 2")
    DOTS = ("#e3efd9", "M2 2h1.6v1.6h-1.6zM7 7h1.6v1.6h-1.6z")
    LEVEL = ("#f6dede", "M0 5H10")
    UPRIGHT = ("#e9e2f3", "M5 0V10")
    GRID = ("#fff4b8", "M0 5H10M5 0V10")
    LATTICE = ("#dfeeee", "M0 0L10 10M0 10L10 0")
    DASHES = ("#efe6dc", "M1 2.5H5M6 7.5H10")
    PLAIN = ("#f3f2f1", "")
    SOLID = ("#1d70b8", "")
    LATTICE_RED = ("#f4cdc6", "M0 0L10 10M0 10L10 0")
    LEVEL_BLUE = ("#bbd4ea", "M0 2.5H10M0 7.5H10")


@dataclass(frozen=True, slots=True)
class Line:
    """An outline: its width in pixels and its dashes (SVG's ``stroke-dasharray``)."""

    width: float
    dashes: str = ""


@dataclass(frozen=True, slots=True)
class MapLayer:
    """Geometries drawn alike, and what the legend calls them."""

    legend: str
    geometries: Sequence[shapely.Geometry]
    fill: Fill
    line: Line
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """A map: layers from the lowest up, then the boundaries that it is about.

    ``alternative`` says in words what the map shows; ``prefix`` sets its identifiers apart from
    those of other maps on the page; ``veils_outside``: what lies outside the boundary is paler.
    """

    frame: Frame
    layers: tuple[MapLayer, ...]
    boundary: MapLayer
    title: str
    alternative: str
    prefix: str
    veils_outside: bool = True


def draw(drawing: Drawing) -> str:
    """The map as an SVG element with title and description."""
    layers = [layer for layer in (*drawing.layers, drawing.boundary) if layer.geometries]
    rows = math.ceil(len(layers) / _LEGEND_COLUMNS)
    height = HEIGHT_PX + _LEGEND_TOP_PX + rows * _LEGEND_ROW_PX
    name = escape(drawing.prefix)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" role="img"'
            f' aria-labelledby="{name}-title {name}-desc" font-family="{_FONTS}">'
        ),
        f'<title id="{name}-title">{_text(drawing.title)}</title>',
        f'<desc id="{name}-desc">{_text(drawing.alternative)}</desc>',
        (
            f'<defs><clipPath id="{name}-frame"><rect width="{WIDTH_PX}" height="{HEIGHT_PX}"/>'
            f"</clipPath>{''.join(_patterns(layers, name))}</defs>"
        ),
        f'<g clip-path="url(#{name}-frame)">',
        f'<rect width="{WIDTH_PX}" height="{HEIGHT_PX}" fill="#ffffff"/>',
        *(_layer(layer, drawing.frame, name) for layer in drawing.layers if layer.geometries),
        _boundary(drawing),
        *_labels(drawing),
        "</g>",
        _scale_bar(drawing.frame),
        _north_arrow(),
        (
            f'<rect x="0.5" y="0.5" width="{WIDTH_PX - 1}" height="{HEIGHT_PX - 1}" fill="none"'
            f' stroke="{_INK}"/>'
        ),
        *(_legend_entry(layer, index, name) for index, layer in enumerate(layers)),
        "</svg>",
    ]
    return "".join(parts)


def at_least(shape: shapely.Geometry, size_px: float, frame: Frame) -> shapely.Geometry:
    """``shape``, or a square of ``size_px`` in its middle where it would be lost."""
    west, south, east, north = shape.bounds
    least = size_px * frame.metres_per_px
    if max(east - west, north - south) >= least:
        return shape
    x, y = (west + east) / 2, (south + north) / 2
    return shapely.box(x - least / 2, y - least / 2, x + least / 2, y + least / 2)


def _text(text: str) -> str:
    return escape(printable(text))


def _patterns(layers: Sequence[MapLayer], name: str) -> Iterator[str]:
    for fill in dict.fromkeys(layer.fill for layer in layers):
        tint, strokes = fill.value
        if strokes:
            yield (
                f'<pattern id="{name}-{fill.name}" width="10" height="10"'
                f' patternUnits="userSpaceOnUse"><rect width="10" height="10" fill="{tint}"/>'
                f'<path d="{strokes}" stroke="#505a5f" stroke-width="0.9" fill="none"/></pattern>'
            )


def _paint(fill: Fill, name: str) -> str:
    tint, strokes = fill.value
    if strokes:
        return f"url(#{name}-{fill.name})"
    return tint or "none"


def _stroke(line: Line) -> str:
    dashes = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
    return f'stroke="{_INK}" stroke-width="{line.width}" stroke-linejoin="round"{dashes}'


def _layer(layer: MapLayer, frame: Frame, name: str) -> str:
    path = _path(layer.geometries, frame)
    return (
        f'<path d="{path}" fill="{_paint(layer.fill, name)}" fill-rule="evenodd"'
        f" {_stroke(layer.line)}/>"
    )


def _boundary(drawing: Drawing) -> str:
    """The boundary with a white edge, and over what lies outside it perhaps a veil."""
    layer = drawing.boundary
    path = _path(layer.geometries, drawing.frame)
    outside = f"M0 0H{WIDTH_PX}V{HEIGHT_PX}H0z"
    veil = f'<path d="{outside}{path}" fill="#ffffff" fill-opacity="0.55" fill-rule="evenodd"/>'
    return (
        f"{veil if drawing.veils_outside else ''}"
        f'<path d="{path}" fill="none" stroke="#ffffff" stroke-width="{layer.line.width + 3}"'
        ' stroke-linejoin="round"/>'
        f'<path d="{path}" fill="{_paint(layer.fill, drawing.prefix)}" {_stroke(layer.line)}/>'
    )


def _path(geometries: Sequence[shapely.Geometry], frame: Frame) -> str:
    """The outlines as an SVG path, simplified to what the drawing can show."""
    simple = shapely.simplify(
        np.array(geometries, dtype=object),
        _SIMPLIFY_PX * frame.metres_per_px,
        preserve_topology=False,
    )
    polygons = shapely.get_parts(simple)
    rings = shapely.get_rings(polygons[shapely.get_type_id(polygons) == _POLYGON])
    return "".join(_ring(ring, frame) for ring in rings.tolist())


_POLYGON = shapely.GeometryType.POLYGON.value


def _ring(ring: shapely.LinearRing, frame: Frame) -> str:
    points = frame.to_px(shapely.get_coordinates(ring)).tolist()
    distinct = [point for point, after in pairwise(points) if point != after]
    if len(distinct) < 3:
        return ""
    return f"M{'L'.join(f'{x:g} {y:g}' for x, y in distinct)}z"


def _labels(drawing: Drawing) -> Iterator[str]:
    """Labels with a white edge, those of the boundary and of the upper layers first."""
    layers = (drawing.boundary, *reversed(drawing.layers))
    wanted = chain.from_iterable(layer.labels for layer in layers)
    lines = drawing.boundary.geometries if not drawing.boundary.labels else ()
    for label in placed(wanted, drawing.frame, lines):
        yield (
            f'<text x="{label.x:g}" y="{label.y + TEXT_PX / 3:g}" text-anchor="middle"'
            f' font-weight="bold" font-size="{TEXT_PX}" fill="{_INK}" stroke="#ffffff"'
            f' stroke-width="4" stroke-linejoin="round" paint-order="stroke">'
            f"{_text(label.text)}</text>"
        )


def _scale_bar(frame: Frame) -> str:
    metres = frame.scale_bar_m()
    width = metres / frame.metres_per_px
    half, top = width / 2, HEIGHT_PX - 16
    label = f'<text y="{top - 6}" font-size="13" fill="{_INK}"'
    return (
        f'<rect x="8" y="{HEIGHT_PX - 42}" width="{width + 64:g}" height="34" fill="#ffffff"'
        f' stroke="{_INK}" stroke-width="0.6"/>'
        f'<rect x="18" y="{top}" width="{half:g}" height="5" fill="{_INK}"/>'
        f'<rect x="{18 + half:g}" y="{top}" width="{half:g}" height="5" fill="#ffffff"'
        f' stroke="{_INK}" stroke-width="1"/>'
        f'{label} x="18">0</text>{label} x="{18 + width:g}" text-anchor="middle">'
        f"{length(metres)}</text>"
    )


def _north_arrow() -> str:
    x = WIDTH_PX - 28
    return (
        f'<rect x="{x - 18}" y="8" width="36" height="54" fill="#ffffff" stroke="{_INK}"'
        ' stroke-width="0.6"/>'
        f'<path d="M{x} 14L{x + 9} 38L{x} 32L{x - 9} 38z" fill="{_INK}"/>'
        f'<text x="{x}" y="56" font-size="14" font-weight="bold" text-anchor="middle"'
        f' fill="{_INK}">N</text>'
    )


def _legend_entry(layer: MapLayer, index: int, name: str) -> str:
    row, column = divmod(index, _LEGEND_COLUMNS)
    x = column * WIDTH_PX / _LEGEND_COLUMNS
    y = HEIGHT_PX + _LEGEND_TOP_PX + row * _LEGEND_ROW_PX
    return (
        f'<rect x="{x + 2:g}" y="{y - 4}" width="32" height="16" fill="{_paint(layer.fill, name)}"'
        f" {_stroke(layer.line)}/>"
        f'<text x="{x + 44:g}" y="{y + 9}" font-size="13" fill="{_INK}">'
        f"{escape(shortened(printable(layer.legend), _LEGEND_CHARACTERS))}</text>"
    )
