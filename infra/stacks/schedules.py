"""Messages that the clock puts on the queue, one for each scheduled job and day."""

from __future__ import annotations

from aws_cdk import Duration, Stack, TimeZone
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from infra.config.models import Schedule
from infra.stacks.queues import Queues
from infra.stage import Stage

# A run that could not be put on the queue for so long is a matter for people.
_GIVE_UP_AFTER = Duration.hours(6)
_RETRIES = 185


class Schedules(Construct):
    """Each message carries the time that it was scheduled for, which identifies its run.

    Scheduler delivers at least once: the worker recognises the second message by that time.
    """

    def __init__(self, scope: Stack, stage: Stage, queues: Queues) -> None:
        super().__init__(scope, "Schedules")
        self._queues = queues
        self._zone = TimeZone.of(stage.config.schedules.time_zone)
        self._group = scheduler.ScheduleGroup(
            self, "Group", schedule_group_name=stage.called("jobs")
        )
        for name, wanted in stage.config.schedules.jobs.items():
            self._schedule(stage, name, wanted)

    def _schedule(self, stage: Stage, name: str, wanted: Schedule) -> None:
        hour, minute = wanted.at.split(":")
        scheduled_time = scheduler.ContextAttribute.scheduled_time
        scheduler.Schedule(
            self,
            name,
            schedule_name=stage.called(name),
            description=f"{wanted.job_type} at {wanted.at}, {stage.config.schedules.time_zone}",
            schedule_group=self._group,
            schedule=scheduler.ScheduleExpression.cron(
                minute=str(int(minute)), hour=str(int(hour)), time_zone=self._zone
            ),
            time_window=scheduler.TimeWindow.off(),
            target=targets.SqsSendMessage(
                self._queues.jobs,
                input=scheduler.ScheduleTargetInput.from_object(
                    {
                        "jobType": wanted.job_type,
                        "scheduledTime": scheduled_time,
                        "runDate": scheduled_time,
                    }
                ),
                dead_letter_queue=self._queues.unsent_schedules,
                max_event_age=_GIVE_UP_AFTER,
                retry_attempts=_RETRIES,
            ),
        )
