"""Patches that take one protection out, each in a file of its own: ``patches/NN-name.toml``.

``takes_out`` says what is gone. ``tests`` names those of the row's tests that have to notice, all
of them if it is left out. Each ``[[replace]]`` names a file and a text that stands in it exactly
once. A row that cannot be proved like this has a ``reason`` instead.
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path(__file__).parent / "patches"


class PatchError(ValueError):
    """A patch does not fit the code any more."""


class Replacement(BaseModel):
    """``old`` becomes ``new`` in ``file``, which is relative to the repository."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The file's text with the replacement made; raises PatchError."""
        count = text.count(self.old)
        if count != 1:
            raise PatchError(f"{self.file} has the text {count} times: {self.old.strip()[:80]!r}")
        return text.replace(self.old, self.new)


class PatchFile(BaseModel):
    """What a file of ``patches/`` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    takes_out: str = ""
    reason: str = ""
    tests: tuple[str, ...] = ()
    replace: tuple[Replacement, ...] = Field(default=())


@dataclass(frozen=True, slots=True)
class Patch:
    """One way to take a row's protection out, or the reason why there is none."""

    row: int
    name: str
    content: PatchFile

    def check(self, root: Path) -> dict[Path, str]:
        """What the patch makes of each file; raises PatchError if it does not fit the code.

        Code that can no longer be read would fail any test, so that is no proof.
        """
        changed: dict[Path, str] = {}
        for replacement in self.content.replace:
            path = root / replacement.file
            if path not in changed:
                changed[path] = _text_of(path)
            changed[path] = replacement.applied(changed[path])
        for path, text in changed.items():
            if path.suffix == ".py":
                try:
                    ast.parse(text)
                except SyntaxError as error:
                    raise PatchError(f"{self.name} leaves {path.name} broken") from error
        return changed

    def apply(self, root: Path) -> dict[Path, str]:
        """Change the files below ``root``; their former texts. Raises PatchError."""
        changed = self.check(root)
        former = {path: _text_of(path) for path in changed}
        for path, text in changed.items():
            path.write_text(text, encoding="utf-8")
        return former


def _text_of(path: Path) -> str:
    if not path.is_file():
        raise PatchError(f"{path} is gone")
    return path.read_text(encoding="utf-8")


def patches() -> tuple[Patch, ...]:
    """Every patch, by row."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.toml")))


def _read(path: Path) -> Patch:
    content = PatchFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    return Patch(int(path.name.partition("-")[0]), path.stem, content)
