"""Loads reference layers: stage, check, then switch all of them in one transaction.

What is active is never touched before every layer has passed; a load that dies leaves tables that
no query sees, and the next load removes them. Only one load runs at a time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb

from worker.clients.db import Connection
from worker.logs import logger
from worker.reference import checks, staging
from worker.reference.checks import Finding, refuse_errors, refused
from worker.reference.cross_checks import VersionTable, cross_findings
from worker.reference.layers import BY_NAME, LAYERS, Layer
from worker.reference.lock import only_change
from worker.reference.progress import Progress, Silent
from worker.reference.readers import open_source
from worker.reference.report import LoadedLayer, LoadReport
from worker.reference.sources import Source, find_sources
from worker.reference.staging import StagedTables
from worker.reference.switch import Action, Cause, switch
from worker.reference.versions import LayerVersion, active_versions
from worker.sqlfiles import statement


def load_directory(
    connection: Connection,
    directory: Path,
    *,
    label: str,
    loaded_by: str,
    forced_because: str | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Load every layer found in ``directory``; as ``load_sources``, and raises as it does.

    ReferenceDataError also if nothing is found in ``directory``, or a layer twice.
    """
    return load_sources(
        connection,
        find_sources(directory),
        label=label,
        cause=Cause(loaded_by, forced_because),
        progress=progress,
    )


def load_sources(
    connection: Connection,
    sources: Sequence[Source],
    *,
    label: str,
    cause: Cause,
    progress: Progress | None = None,
) -> LoadReport:
    """Load ``sources`` as a new version of their layers and make them active together.

    With a reason in ``cause``, errors that may be forced do not refuse the load. ``connection`` is
    dedicated to the load and not inside a transaction. Raises ReferenceDataError (a source that
    can't be read), ReferenceChecksFailed with everything that is wrong, TransientError
    ``reference_load_running``, and what ``progress`` raises; then the active data is unchanged.
    """
    with only_change(connection):
        remove_abandoned(connection)
        refuse_errors(_source_findings(sources), forced=False)
        load = _Load(connection, label, cause, progress or Silent())
        try:
            for source in sources:
                load.stage(source)
            report = load.report()
            refuse_errors([*report.findings, *report.layer_findings], forced=load.forced)
            load.activate(report)
        finally:
            # Nothing is abandoned after a switch. If the connection is lost, the next load cleans.
            if not connection.closed:
                remove_abandoned(connection)
    _log(report)
    return report


def remove_abandoned(connection: Connection) -> None:
    """Remove what loads left that ended before their switch; the caller holds the load's lock."""
    with connection.transaction():
        abandoned = connection.execute(statement(__package__, "abandoned_versions")).fetchall()
        for name, version in abandoned:
            if name in BY_NAME:
                staging.drop(connection, StagedTables(BY_NAME[name], version))
            connection.execute(
                statement(__package__, "forget_version"), {"layer": name, "version": version}
            )
            logger(__name__).info("reference.abandoned_removed", layer=name, version=version)


class _Load:
    """One load in progress: the layers staged so far."""

    def __init__(
        self, connection: Connection, label: str, cause: Cause, progress: Progress
    ) -> None:
        self._connection = connection
        self._label = label
        self._cause = cause
        self._progress = progress
        self._hashes: dict[Path, str] = {}
        self._staged: dict[str, LoadedLayer] = {}

    @property
    def forced(self) -> bool:
        """Whether errors that may be forced are ignored."""
        return self._cause.reason is not None

    def stage(self, source: Source) -> None:
        """Bring one layer into tables of its own and check it."""
        started = time.monotonic()
        layer = source.layer
        sha256 = self._sha256(source)
        tables = StagedTables(layer, self._begin(source, sha256))
        with self._connection.transaction(), open_source(source) as table:
            self._connection.execute(statement(__package__, "bulk_settings"))
            self._progress.started(layer.name, table.row_count)
            read = staging.copy_rows(self._connection, layer, table, self._progress)
            findings = checks.read_findings(layer, read)
            findings += checks.row_count_findings(layer, read.row_count, self._active_rows(layer))
            if not self._refused(findings):
                findings += self._build(tables)
        self._progress.finished(layer.name)
        self._staged[layer.name] = LoadedLayer(
            layer.name,
            tables.version,
            source.name,
            sha256,
            read.row_count,
            time.monotonic() - started,
            tuple(findings),
        )

    def report(self) -> LoadReport:
        """What was staged, and what the layers say of each other."""
        active = active_versions(self._connection).layers
        others = [layer.name for layer in LAYERS if layer.name not in self._staged]
        return LoadReport(
            self._label,
            tuple(self._staged.values()),
            kept=tuple(name for name in others if name in active),
            absent=tuple(name for name in others if name not in active),
            findings=tuple(self._across_layers(active)),
        )

    def activate(self, report: LoadReport) -> None:
        """Attach every staged table and move every pointer, in one transaction."""
        action = Action.FORCED if report.overridden else Action.LOAD
        with self._connection.transaction():
            for layer in self._staged.values():
                staging.attach(self._connection, StagedTables(BY_NAME[layer.layer], layer.version))
                self._connection.execute(
                    statement(__package__, "finish_version"),
                    {
                        "layer": layer.layer,
                        "version": layer.version,
                        "row_count": layer.row_count,
                        "report": Jsonb(asdict(layer)),
                    },
                )
            versions = {layer.layer: layer.version for layer in self._staged.values()}
            switch(self._connection, versions, action, self._cause)

    def _begin(self, source: Source, sha256: str) -> int:
        # Committed on its own: by this row the next load knows one that has died.
        (version,) = self._connection.execute(
            statement(__package__, "begin_version"),
            {
                "layer": source.layer.name,
                "label": self._label,
                "source_name": source.name,
                "source_sha256": sha256,
                "loaded_by": self._cause.made_by,
            },
        ).fetchall()[0]
        return int(version)

    def _build(self, tables: StagedTables) -> list[Finding]:
        try:
            staging.build_features(self._connection, tables, self._progress)
        except psycopg.errors.InternalError_ as error:
            # What PostGIS says of WKB that it can't read.
            return [checks.unreadable_geometry(tables.layer, error)]
        self._progress.step(tables.layer.name, "check")
        findings = checks.stored_findings(self._connection, tables.layer, tables.features)
        if tables.layer.subdivided and not self._refused(findings):
            staging.build_parts(self._connection, tables, self._progress)
            findings += checks.parts_findings(self._connection, tables)
        return findings

    def _across_layers(self, active: Mapping[str, LayerVersion]) -> list[Finding]:
        """Checks that need two layers, each as it will be after the switch."""
        tables = {name: VersionTable(name, one.version) for name, one in active.items()}
        for name, staged in self._staged.items():
            tables.pop(name, None)
            # Rows that were refused were never put into a table.
            if not self._refused(staged.findings):
                features = StagedTables(BY_NAME[name], staged.version).features
                tables[name] = VersionTable(features, staged.version)
        return cross_findings(self._connection, tables)

    def _refused(self, findings: Sequence[Finding]) -> bool:
        return refused(findings, forced=self.forced)

    def _active_rows(self, layer: Layer) -> int:
        row = self._connection.execute(
            statement(__package__, "active_row_count"), {"layer": layer.name}
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _sha256(self, source: Source) -> str:
        # One file may hold several layers.
        if source.path not in self._hashes:
            self._hashes[source.path] = source.sha256()
        return self._hashes[source.path]


def _source_findings(sources: Sequence[Source]) -> list[Finding]:
    findings = []
    for source in sources:
        with open_source(source) as table:
            findings += checks.source_findings(source.layer, table)
    return findings


def _log(report: LoadReport) -> None:
    log = logger(__name__)
    for layer in report.layers:
        log.info(
            "reference.loaded",
            layer=layer.layer,
            version=layer.version,
            label=report.label,
            rows=layer.row_count,
            source=layer.source_name,
            seconds=round(layer.seconds, 1),
        )
    for finding in (*report.overridden, *report.warnings):
        log.warning(
            "reference.finding", layer=finding.layer, code=finding.code, count=finding.count
        )
