"""A data set in S3: a manifest names the object of each layer, with checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from worker.clients.db import Connection
from worker.clients.s3 import ObjectStore
from worker.errors import ReferenceDataError
from worker.logs import logger
from worker.reference.layers import BY_NAME
from worker.reference.load import load_sources
from worker.reference.progress import Progress
from worker.reference.report import LoadReport
from worker.reference.sources import Source, source_in
from worker.reference.switch import Cause
from worker.reference.versions import LayerVersion, active_versions
from worker.scratch import scratch_directory

_MAX_MANIFEST_BYTES = 1024 * 1024
# A shapefile and a file geodatabase are several files; they can be loaded from a directory only.
_SUFFIXES = (".gpkg", ".sqlite", ".sqlite3", ".db", ".csv")

Key = Annotated[str, Field(min_length=1, max_length=1024)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """What one load brings: a name for it, the key of each layer's object, and their hashes.

    Several layers may share an object. Unknown members are refused: a misspelt one would be lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_version: Annotated[str, Field(min_length=1, max_length=100)]
    layers: Annotated[dict[str, Key], Field(min_length=1, description="key of each layer's object")]
    checksums: dict[Key, Sha256] = Field(description="SHA-256 of each object, by its key")

    @field_validator("layers")
    @classmethod
    def _layers_are_known(cls, layers: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(layers) - set(BY_NAME))
        if unknown:
            raise ValueError(f"no layers are called {', '.join(unknown)}")
        others = [key for key in layers.values() if _suffix(key) not in _SUFFIXES]
        if others:
            raise ValueError(f"{', '.join(others)} has to end with one of {', '.join(_SUFFIXES)}")
        return layers

    @model_validator(mode="after")
    def _every_object_has_a_checksum(self) -> Manifest:
        if set(self.checksums) != set(self.layers.values()):
            raise ValueError("checksums has to name exactly the keys of layers")
        return self

    def is_active(self, active: dict[str, LayerVersion]) -> bool:
        """Whether exactly this data is what ``active`` says of its layers."""
        return all(
            layer in active
            and active[layer].label == self.data_version
            and active[layer].source_sha256 == self.checksums[key]
            for layer, key in self.layers.items()
        )


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """Where a manifest is, and how large each object it names may be."""

    bucket: str
    key: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class ManifestLoad:
    """Versions of a manifest, active now; ``report`` is None if they were so before."""

    data_version: str
    versions: dict[str, int]
    report: LoadReport | None


def load_manifest(
    connection: Connection,
    store: ObjectStore,
    manifest_object: ManifestObject,
    cause: Cause,
    *,
    progress: Progress,
    checkpoint: Callable[[], None] = lambda: None,
) -> ManifestLoad:
    """Load what the manifest names, unless exactly that is active already.

    ``checkpoint`` is called while objects come in and may raise. Raises what ``load_sources`` and
    ``ObjectStore.download`` raise, and ReferenceDataError ``reference_manifest_invalid`` and
    ``reference_checksum_differs``.
    """
    with scratch_directory("reference") as directory:
        downloads = _Downloads(store, manifest_object, directory, checkpoint)
        manifest = downloads.manifest()
        active = dict(active_versions(connection).layers)
        report = None
        if manifest.is_active(active):
            logger(__name__).info("reference.already_active", label=manifest.data_version)
        else:
            sources = downloads.sources(manifest)
            report = load_sources(
                connection, sources, label=manifest.data_version, cause=cause, progress=progress
            )
            active = dict(active_versions(connection).layers)
    versions = {layer: active[layer].version for layer in manifest.layers}
    return ManifestLoad(manifest.data_version, versions, report)


class _Downloads:
    """Objects of one load, each in a folder of its own, so that they keep their names."""

    def __init__(
        self,
        store: ObjectStore,
        place: ManifestObject,
        directory: Path,
        checkpoint: Callable[[], None],
    ) -> None:
        self._store = store
        self._place = place
        self._directory = directory
        self._checkpoint = checkpoint

    def manifest(self) -> Manifest:
        downloaded = self._store.download(
            self._place.bucket, self._place.key, self._directory, max_bytes=_MAX_MANIFEST_BYTES
        )
        try:
            return Manifest.model_validate_json(downloaded.path.read_bytes())
        except ValidationError as error:
            problems = error.errors(include_input=False, include_context=False, include_url=False)
            raise ReferenceDataError(
                "reference_manifest_invalid",
                "The manifest is not valid: "
                + "; ".join(f"{'.'.join(map(str, one['loc']))} {one['msg']}" for one in problems),
            ) from None

    def sources(self, manifest: Manifest) -> tuple[Source, ...]:
        files = {key: self._file(key, sha256) for key, sha256 in manifest.checksums.items()}
        # In the loader's order, whatever the manifest's is.
        return tuple(
            source_in(files[manifest.layers[name]], layer)
            for name, layer in BY_NAME.items()
            if name in manifest.layers
        )

    def _file(self, key: str, sha256: str) -> Path:
        downloaded = self._store.download(
            self._place.bucket,
            key,
            self._directory,
            max_bytes=self._place.max_bytes,
            checkpoint=self._checkpoint,
        )
        with downloaded.path.open("rb") as content:
            actual = hashlib.file_digest(content, "sha256").hexdigest()
        if actual != sha256:
            raise ReferenceDataError(
                "reference_checksum_differs",
                f"{key} is not the file that the manifest means: its SHA-256 is {actual}.",
            )
        folder = downloaded.path.with_suffix(".d")
        folder.mkdir()
        logger(__name__).info("reference.downloaded", key=key, bytes=downloaded.size)
        return downloaded.path.rename(folder / f"{_stem(key)}{_suffix(key)}")


def _suffix(key: str) -> str:
    return PurePosixPath(key).suffix.lower()


def _stem(key: str) -> str:
    """A file name that is safe here, whatever the key is."""
    stem = PurePosixPath(key).stem
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in stem)[:100]
