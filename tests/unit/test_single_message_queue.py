"""The queue of one message keeps SQS's rules of visibility and of receives."""

from __future__ import annotations

import pytest

from tests.fakes.clock import Clock
from worker.queue.single import SingleMessageQueue
from worker.queue.sqs import Message


def queue(clock: Clock) -> SingleMessageQueue:
    def wait(seconds: float) -> bool:
        clock.now += seconds
        return False

    return SingleMessageQueue("run-1", "{}", None, wait=wait, patience_s=600, clock=clock)


def receive(single: SingleMessageQueue, *, wait_s: int = 20) -> Message | None:
    return next(iter(single.receive(max_messages=1, wait_s=wait_s, visibility_s=300)), None)


def test_a_message_stays_invisible_while_it_is_held_and_renewed() -> None:
    clock = Clock()
    single = queue(clock)
    message = receive(single)
    assert message is not None
    clock.now += 299
    single.renew(message, 300)
    clock.now += 2

    assert receive(single, wait_s=0) is None
    assert not single.exhausted


def test_a_released_message_comes_again_after_its_delay() -> None:
    clock = Clock()
    single = queue(clock)
    message = receive(single)
    assert message is not None
    single.release(message, 60)

    assert receive(single) is None, "20 s have passed"
    again = [receive(single) for _ in range(2)][-1]

    assert again is not None
    assert (again.receive_count, again.received_monotonic) == (2, clock.now)


def test_the_third_receive_is_the_last() -> None:
    clock = Clock()
    single = queue(clock)
    for _ in range(3):
        message = receive(single)
        assert message is not None
        assert not single.exhausted
        single.release(message, 1)
        clock.now += 1

    assert single.exhausted
    assert not single.refused
    assert receive(single) is None


@pytest.mark.parametrize(("delay_s", "is_over"), [(600, False), (601, True)])
def test_a_message_that_would_come_again_too_late_is_over(delay_s: int, is_over: bool) -> None:
    single = queue(Clock())
    message = receive(single)
    assert message is not None
    single.release(message, delay_s)

    assert single.exhausted is is_over
    assert not single.refused


def test_a_message_that_is_kept_three_times_is_not_handed_out_again() -> None:
    clock = Clock()
    single = queue(clock)
    for _ in range(3):
        assert receive(single) is not None
        clock.now += 301

    assert receive(single) is None
    assert single.exhausted


def test_a_release_at_once_ends_it() -> None:
    single = queue(Clock())
    message = receive(single)
    assert message is not None
    single.release(message, 0)

    assert single.exhausted
    assert single.refused


def test_a_deleted_message_is_over() -> None:
    single = queue(Clock())
    message = receive(single)
    assert message is not None
    single.delete(message)

    assert single.exhausted
    assert receive(single) is None
