"""What the worker asks the agent of ECS, and that a bad agent neither slows nor stops it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from structlog.testing import LogCapture

from tests.fakes.canary import http_canary
from tests.fakes.ecs_agent import (
    CONTAINER,
    CONTAINER_ID,
    REFUSAL,
    TASK_ID,
    FakeEcsAgent,
    dripping_server,
)
from worker.clients.ecs import TaskProtection, task_name
from worker.demo.fake_service import Misbehaviour, failing

LONGEST_S = 900.0
ON, OFF = {"ProtectionEnabled": True, "ExpiresInMinutes": 30}, {"ProtectionEnabled": False}
# Far more than the two seconds it may take, far less than a silent agent takes.
PATIENCE_S = 20.0


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def agent() -> Iterator[FakeEcsAgent]:
    with FakeEcsAgent() as one:
        yield one


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def protection(agent: FakeEcsAgent, clock: Clock) -> TaskProtection:
    return TaskProtection(agent.variables["ECS_AGENT_URI"], longest_s=LONGEST_S, clock=clock)


def events(log: LogCapture) -> list[str]:
    return [str(entry["event"]) for entry in log.entries]


def test_protection_is_asked_for_once_however_many_messages_come(
    agent: FakeEcsAgent, protection: TaskProtection
) -> None:
    protection.off()
    assert agent.asked == [], "nothing was protected"
    for _ in range(5):
        protection.on()
    assert agent.asked == [ON]
    assert agent.protected

    for _ in range(3):
        protection.off()
    assert agent.asked == [ON, OFF]
    assert not agent.protected


def test_protection_is_renewed_before_it_ends_under_the_longest_job(
    agent: FakeEcsAgent, protection: TaskProtection, clock: Clock
) -> None:
    protection.on()
    clock.now = LONGEST_S
    protection.on()
    assert agent.asked == [ON]

    clock.now = LONGEST_S + 1
    protection.on()
    assert agent.asked == [ON, ON]


def test_protection_never_exceeds_what_ecs_accepts(agent: FakeEcsAgent) -> None:
    one = TaskProtection(agent.variables["ECS_AGENT_URI"], longest_s=48 * 3600)
    one.on()
    assert agent.asked == [{"ProtectionEnabled": True, "ExpiresInMinutes": 2880}]
    assert agent.protected


@pytest.mark.parametrize(
    "misbehaviour",
    [
        failing(500, "no"),
        failing(400, {"error": {"Code": "AccessDeniedException"}}),
        failing(200, REFUSAL.body),
        failing(200, "<html>"),
        Misbehaviour(drop=True),
    ],
    ids=["error", "denied", "refused", "not-json", "hung-up"],
)
def test_an_agent_that_refuses_is_told_once_and_left_alone_for_a_while(
    agent: FakeEcsAgent,
    protection: TaskProtection,
    clock: Clock,
    log: LogCapture,
    misbehaviour: Misbehaviour,
) -> None:
    agent.misbehave_always(misbehaviour)
    protection.on()
    protection.on()
    protection.off()
    assert agent.asked == [ON]

    clock.now = 31
    protection.on()
    assert agent.asked == [ON, ON]
    assert events(log) == ["protection.failed"]

    agent.misbehave_always(None)
    clock.now = 62
    protection.on()
    assert agent.protected
    assert events(log) == ["protection.failed", "protection.set"]


def test_an_answer_that_comes_too_late_is_cleared_all_the_same(
    agent: FakeEcsAgent, protection: TaskProtection, clock: Clock
) -> None:
    agent.misbehave(Misbehaviour(carry_out=True, drop=True))
    protection.on()
    assert agent.protected

    clock.now = 31
    protection.off()
    assert not agent.protected


def test_a_task_is_protected_again_if_the_answer_to_its_clearing_was_lost(
    agent: FakeEcsAgent, protection: TaskProtection, clock: Clock
) -> None:
    protection.on()
    agent.misbehave(Misbehaviour(carry_out=True, drop=True))
    protection.off()
    assert not agent.protected

    clock.now = 31
    protection.on()
    assert agent.protected


@pytest.mark.parametrize("server", ["silent", "dripping"])
def test_a_slow_agent_is_given_up(agent: FakeEcsAgent, log: LogCapture, server: str) -> None:
    agent.misbehave_always(Misbehaviour(delay_s=2 * PATIENCE_S))
    with dripping_server() as dripping:
        uri = dripping if server == "dripping" else agent.variables["ECS_AGENT_URI"]
        started = time.monotonic()
        TaskProtection(uri, longest_s=LONGEST_S).on()
        assert task_name(uri) is None
    assert time.monotonic() - started < PATIENCE_S
    assert events(log) == ["protection.failed", "task.unnamed"]
    assert log.entries[0]["error_detail"] == "TimeoutError"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/api", "not a url", "http://[", "ftp://x/y"])
def test_an_agent_that_is_not_there_stops_nothing(log: LogCapture, uri: str) -> None:
    TaskProtection(uri, longest_s=LONGEST_S).on()
    assert task_name(uri) is None
    assert events(log) == ["protection.failed", "task.unnamed"]


def test_outside_ecs_nobody_is_asked(log: LogCapture) -> None:
    outside = TaskProtection("", longest_s=LONGEST_S)
    outside.on()
    outside.off()
    assert events(log) == []


def test_the_agent_is_never_asked_through_a_proxy(
    agent: FakeEcsAgent, protection: TaskProtection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_canary(b"{}") as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        protection.on()
        named = task_name(agent.variables["ECS_CONTAINER_METADATA_URI_V4"])

    assert proxy.requests == []
    assert agent.protected
    assert named is not None


def test_a_worker_is_named_after_its_task_and_container(agent: FakeEcsAgent) -> None:
    uri = agent.variables["ECS_CONTAINER_METADATA_URI_V4"]
    assert task_name(uri) == f"{TASK_ID}/{CONTAINER}"


def test_a_container_that_the_task_does_not_list_goes_by_its_id(agent: FakeEcsAgent) -> None:
    listed = {"TaskARN": f"arn:aws:ecs:eu-west-2:1:task/{TASK_ID}", "Containers": []}
    agent.misbehave(failing(200, listed))
    uri = agent.variables["ECS_CONTAINER_METADATA_URI_V4"]
    assert task_name(uri) == f"{TASK_ID}/{CONTAINER_ID}"
