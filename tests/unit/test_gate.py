"""Whether to poll: probes, configuration faults, and what is logged when the answer changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from structlog.testing import LogCapture

from worker.errors import ConfigurationFault, DependencyDown, WorkerError
from worker.readiness import Gate, Probe

DOWN = DependencyDown("database_unavailable", "No answer.")
REFUSED = ConfigurationFault("backend_refused_us", "The backend does not know our key.")


@dataclass
class Dependency:
    error: WorkerError | None = None
    asked: int = 0

    def ask(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


@dataclass
class World:
    database: Dependency = field(default_factory=Dependency)
    fault: Dependency = field(default_factory=Dependency)
    asked_about: list[str] = field(default_factory=list)
    now: float = 0.0
    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self.gate = Gate(
            (Probe("database", self.database.ask),),
            self.ask_again,
            pause_s=30,
            clock=lambda: self.now,
        )

    def ask_again(self, fault: WorkerError) -> None:
        self.asked_about.append(fault.code)
        self.fault.ask()

    def opens_after_a_pause(self) -> bool:
        self.now += 31
        return self.gate.is_open()


def test_a_dependency_that_is_down_closes_it_and_one_line_says_so(log: LogCapture) -> None:
    world = World(Dependency(DOWN))
    assert [world.gate.is_open() for _ in range(3)] == [False] * 3

    world.database.error = None
    assert world.gate.is_open()

    events = [entry["event"] for entry in log.entries]
    assert events == ["dependency.down", "dependency.up"]


def test_a_fault_closes_it_until_its_own_probe_succeeds(log: LogCapture) -> None:
    world = World(fault=Dependency(REFUSED))
    world.gate.close(REFUSED)

    assert not world.gate.is_open()
    assert world.fault.asked == 0, "not asked before the pause is over"
    world.now = 31
    assert not world.gate.is_open()
    world.fault.error = None
    assert not world.gate.is_open(), "a failed probe starts the pause anew"
    world.now = 62
    assert world.gate.is_open()

    assert [entry["event"] for entry in log.entries] == ["polling.paused", "polling.resumed"]


def test_what_keeps_it_from_asking_is_not_taken_for_an_answer(log: LogCapture) -> None:
    world = World(fault=Dependency(DOWN))
    world.gate.close(REFUSED)

    assert not world.opens_after_a_pause()
    assert not world.gate.is_open(), "a failed probe starts the pause anew"
    world.fault.error = REFUSED
    assert not world.opens_after_a_pause()
    world.fault.error = None
    assert world.opens_after_a_pause()

    assert set(world.asked_about) == {REFUSED.code}
    events = [entry["event"] for entry in log.entries]
    assert events == ["polling.paused", "dependency.down", "polling.resumed"]


def test_two_faults_close_it_until_both_are_over(log: LogCapture) -> None:
    closed = ConfigurationFault("s3_access_denied", "The bucket is closed to us.")
    world = World(fault=Dependency(REFUSED))
    world.gate.close(closed)
    assert not world.opens_after_a_pause(), "another fault met on the way"
    world.fault.error = closed
    assert not world.opens_after_a_pause()
    world.fault.error = None
    assert world.opens_after_a_pause()

    assert world.asked_about == [closed.code, closed.code, closed.code, REFUSED.code]
    said = [(entry["event"], entry["error_code"]) for entry in log.entries]
    assert said == [
        ("polling.paused", closed.code),
        ("polling.paused", REFUSED.code),
        ("polling.resumed", REFUSED.code),
    ]
