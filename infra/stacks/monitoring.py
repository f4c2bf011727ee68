"""What operators look at: alarms, saved queries, dashboard."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.stacks.alarms import Alarms
from infra.stacks.dashboard import draw_dashboard
from infra.stacks.data import Data
from infra.stacks.database import Database
from infra.stacks.metrics import Metrics
from infra.stacks.saved_queries import save_queries
from infra.stacks.service import Service
from infra.stage import Stage


class Monitoring(Construct):
    """Everything that watches; nothing depends on it."""

    def __init__(
        self, scope: Stack, stage: Stage, data: Data, database: Database, service: Service
    ) -> None:
        super().__init__(scope, "Monitoring")
        metrics = Metrics(stage, service)
        alarms = Alarms(scope, stage, data, metrics)
        if database.instance is not None:
            alarms.watch_database(database.instance)
        save_queries(scope, stage, data.log_group)
        draw_dashboard(scope, stage, data, metrics, alarms.all)
