"""Ways to spoil a file: where its format keeps its numbers, and anywhere.

Every choice is drawn from the ``Random`` that is passed in, so a run can be repeated.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias

from tests.fakes.boundaries import BRITISH_NATIONAL_GRID_PRJ, WEB_MERCATOR_PRJ, WGS84_PRJ
from tests.fuzz.seeds import Sample
from tests.fuzz.values import (
    CHARACTER_SETS,
    DBF_FIELDS,
    DOUBLES,
    KEYS,
    NAMES,
    NUMBERS,
    SHP_FIELDS,
    SHX_FIELDS,
    TEXTS,
    TOKEN,
    WHOLE,
    WORDS,
    ZIP_FIELDS,
)

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


@dataclass(frozen=True)
class Spoiler:
    """One run's mutations; ``references`` are addresses that no file may make the reader follow."""

    random: Random
    references: Sequence[str]

    def spoil(self, sample: Sample, others: Sequence[Sample]) -> tuple[Sample, bytes]:
        """The sample with some of its files spoiled, and what is sent, perhaps spoiled further."""
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 3))):
            sample = self._spoil_files(sample, others)
        content = sample.content()
        if sample.archive and self.random.random() < 0.35:
            content = self._zip_field(content)
        if self.random.random() < 0.1:
            content = self._bytes(content)
        return sample, content

    def _spoil_files(self, sample: Sample, others: Sequence[Sample]) -> Sample:
        index = self.random.randrange(len(sample.files))
        name, content = sample.files[index]
        if self.random.random() < 0.1:
            return self._files(sample, index, others)
        return sample.replaced(index, self._content(name.rpartition(".")[2].lower(), content))

    def _content(self, suffix: str, content: bytes) -> bytes:
        plain: list[Callable[[bytes], bytes]] = [self._bytes]
        fields = {"shp": SHP_FIELDS, "shx": SHX_FIELDS, "dbf": DBF_FIELDS}.get(suffix)
        if fields:
            return self.random.choice([lambda c: self._field(c, 0, fields)] * 3 + plain)(content)
        if suffix == "prj":
            return self.random.choice([self._tokens] * 3 + [self._projection] + plain)(content)
        if suffix == "cpg":
            return self.random.choice(CHARACTER_SETS).encode("utf-8", "surrogatepass")
        return self.random.choice([self._tree] * 4 + [self._tokens] * 4 + plain)(content)

    def _files(self, sample: Sample, index: int, others: Sequence[Sample]) -> Sample:
        """A file renamed, repeated, left out or taken from elsewhere."""
        files = list(sample.files)
        name, content = files[index]
        match self.random.randrange(5):
            case 0:
                files[index] = (self.random.choice(NAMES), content)
            case 1:
                files.append((self.random.choice(NAMES), content))
            case 2 if len(files) > 1:
                del files[index]
            case 3:
                files[index] = (name, self.random.choice(self.references).encode())
            case _:
                files[index] = (name, self.random.choice(self.random.choice(others).files)[1])
        return replace(sample, files=tuple(files))

    def _zip_field(self, content: bytes) -> bytes:
        signature = self.random.choice(list(ZIP_FIELDS))
        places = [found.start() for found in re.finditer(re.escape(signature), content)]
        if not places:
            return content
        return self._field(content, self.random.choice(places), ZIP_FIELDS[signature])

    def _field(self, content: bytes, start: int, fields: Sequence[tuple[int, str]]) -> bytes:
        offset, form = self.random.choice(fields)
        if form in ("<i", "<d") and self.random.random() < 0.3:
            # The same kind of field of a later record.
            offset += 4 * self.random.randrange(1, 60)
        offset += start
        size = struct.calcsize(form)
        if offset + size > len(content):
            return content
        return (
            content[:offset]
            + self._packed(form, content[offset : offset + size])
            + (content[offset + size :])
        )

    def _packed(self, form: str, before: bytes) -> bytes:
        if form == "<d":
            return struct.pack(form, self.random.choice(DOUBLES))
        (now,) = struct.unpack(form.upper(), before)
        chosen = self.random.choice(
            (self.random.choice(WHOLE), now + 1, now - 1, now ^ (1 << self.random.randrange(16)))
        )
        return struct.pack(form.upper(), chosen % (1 << 8 * len(before)))

    def _bytes(self, content: bytes) -> bytes:
        if not content:
            return bytes([self.random.randrange(256)])
        at = self.random.randrange(len(content))
        to = min(len(content), at + self.random.choice((1, 2, 4, 8, 40, 400)))
        match self.random.randrange(7):
            case 0:
                return content[:at]
            case 1:
                return content[:at] + content[to:]
            case 2:
                return content[:to] + content[at:]
            case 3:
                return content[:at] + self.random.randbytes(to - at) + content[to:]
            case 4:
                return content[:at] + bytes(to - at) + content[to:]
            case 5:
                return content + content[at:to] * self.random.choice((1, 100))
            case _:
                return (
                    content[:at]
                    + bytes([content[at] ^ (1 << self.random.randrange(8))])
                    + (content[at + 1 :])
                )

    def _tokens(self, content: bytes) -> bytes:
        """JSON or WKT with a token replaced, repeated, moved, left out or nested deeply."""
        tokens = TOKEN.findall(content) or [b" "]
        at, to = (self.random.randrange(len(tokens)) for _ in range(2))
        match self.random.randrange(6):
            case 0:
                del tokens[at]
            case 1:
                tokens[at:at] = tokens[min(at, to) : max(at, to)]
            case 2:
                tokens[at], tokens[to] = tokens[to], tokens[at]
            case 3:
                word = self.random.choice((*NUMBERS, *WORDS, *self.references))
                tokens[at] = word.encode()
            case 4:
                text = self.random.choice((*TEXTS, *self.references))
                tokens[at] = json.dumps(text).encode()
            case _:
                tokens[at] = self.random.choice((b"[", b"{", b'{"a":', b"(", b"AXIS[")) * (
                    self.random.choice((3, 900, 990, 2_000))
                )
        return b"".join(tokens)

    def _projection(self, content: bytes) -> bytes:
        texts = (BRITISH_NATIONAL_GRID_PRJ, WGS84_PRJ, WEB_MERCATOR_PRJ, *self.references)
        return self.random.choice(texts).encode()

    def _tree(self, content: bytes) -> bytes:
        """JSON that stays JSON, with one value or name changed."""
        try:
            document: Json = json.loads(content)
        except (ValueError, RecursionError):
            return self._tokens(content)
        places = list(_places(document))
        if not places:
            return self._tokens(content)
        for _ in range(self.random.choice((1, 1, 2))):
            holder, key = self.random.choice(places)
            self._change(holder, key)
        try:
            return json.dumps(document).encode()
        except RecursionError:
            return content

    def _change(self, holder: dict[str, Json] | list[Json], key: str | int) -> None:
        if isinstance(holder, dict):
            if self.random.random() < 0.2:
                holder[self.random.choice(KEYS)] = holder.get(str(key))
            else:
                holder[str(key)] = self._value(holder.get(str(key)))
        elif int(key) < len(holder):
            if self.random.random() < 0.3:
                holder.insert(self.random.randrange(len(holder)), holder[int(key)])
            else:
                holder[int(key)] = self._value(holder[int(key)])

    def _value(self, before: Json) -> Json:
        nested: Json = [before]
        for _ in range(self.random.choice((1, 100, 900, 960))):
            nested = [nested]
        flat: tuple[Json, ...] = (
            None, True, 0, -1, 1e308, 2**70, 10**300, [], {}, [[]], [before] * 3, {"type": before},
            {"type": "name", "properties": {"name": self.random.choice(("EPSG:4326", "crs84"))}},
            "Polygon", "MultiPolygon", "FeatureCollection", "Feature", nested,
        )  # fmt: skip
        if isinstance(before, int | float) and self.random.random() < 0.6:
            return self.random.choice(
                (before + 1, before * 10, -before, before / 1000, before + 1e-9)
            )
        return self.random.choice((*flat, *TEXTS, *self.references))


def _places(node: Json) -> Sequence[tuple[dict[str, Json] | list[Json], str | int]]:
    """Every (holder, key) below ``node``, without recursion: files are nested deeply on purpose."""
    found: list[tuple[dict[str, Json] | list[Json], str | int]] = []
    waiting = [node]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, dict):
            found += [(holder, key) for key in holder]
            waiting += holder.values()
        elif isinstance(holder, list):
            found += [(holder, index) for index in range(len(holder))]
            waiting += holder
    return found
