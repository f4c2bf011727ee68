"""Questions to the log that operators find ready in CloudWatch Logs Insights."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_logs as logs

from infra.stage import Stage

_QUERIES = Path(__file__).parents[1] / "queries"


def save_queries(scope: Stack, stage: Stage, log_group: logs.ILogGroup) -> None:
    """One saved query for each file of infra/queries, in a folder of the stage's name."""
    for file in sorted(_QUERIES.glob("*.insights")):
        logs.CfnQueryDefinition(
            scope,
            f"Query-{file.stem}",
            name=f"{stage.config.project}/{stage.name}/{file.stem}",
            query_string=file.read_text(encoding="utf-8").strip(),
            log_group_names=[log_group.log_group_name],
        )
