"""The real worker with a fault in it, for tests that no fake around it can provide.

``python -m tests.fakes.faulty_worker FAULT [ARGUMENT]`` puts the fault in place and then does what
``python -m worker run`` does. Like ``worker.__main__`` it imports nothing of the worker at the top,
since the children that the worker spawns import this module again.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.ledger.outbox import ClaimedDelivery
    from worker.queue.sqs import Message

# A delivery that a dead worker has claimed is free again after this, instead of two minutes.
SHORT_CLAIM_S = 4.0

BACKEND, EMAIL = "backend.", "notify."


def kill_at(seam: str) -> None:
    """The process ends by SIGKILL when it gets to this seam for the first time."""
    _meet_at(seam, signal.SIGKILL)


def stop_at(seam: str) -> None:
    """The process is stopped when it gets to this seam for the first time, until SIGCONT."""
    _meet_at(seam, signal.SIGSTOP)


def _meet_at(seam: str, fate: signal.Signals) -> None:
    from worker import assembly
    from worker.execution import Execution
    from worker.jobs.deliveries import Deliverer
    from worker.ledger.ledger import Ledger
    from worker.ledger.outbox import Outbox
    from worker.queue.sqs import SqsQueue

    assembly.DELIVERY_CLAIM_S = SHORT_CLAIM_S  # type: ignore[attr-defined]

    def kind(_: Deliverer, kind: str, *__: object, **___: object) -> str:
        return kind

    def kind_of_claimed(_: Outbox, claimed: ClaimedDelivery, *__: object) -> str:
        return claimed.delivery.kind

    def at_once(_: SqsQueue, __: Message, seconds: int) -> bool:
        return seconds == 0

    def to(prefix: str, kind_of: Callable[..., str]) -> Callable[..., bool]:
        return lambda *args, **named: kind_of(*args, **named).startswith(prefix)

    meet = functools.partial(_meet, fate)
    seams: dict[str, Callable[[], None]] = {
        "claimed": lambda: meet(Execution, "compute", before=True),
        "computed": lambda: meet(Execution, "compute"),
        "committed": lambda: meet(Ledger, "succeed"),
        "failed": lambda: meet(Ledger, "fail"),
        "before-delete": lambda: meet(SqsQueue, "delete", before=True),
        "deleted": lambda: meet(SqsQueue, "delete"),
        "before-release": lambda: meet(SqsQueue, "release", at_once, before=True),
    }
    for name, prefix in (("backend", BACKEND), ("email", EMAIL)):
        sends, records = to(prefix, kind), to(prefix, kind_of_claimed)
        seams |= {
            f"before-{name}": functools.partial(meet, Deliverer, "deliver", sends, before=True),
            f"{name}-sent": functools.partial(meet, Deliverer, "deliver", sends),
            f"{name}-recorded": functools.partial(meet, Outbox, "delivered", records),
        }
    seams[seam]()


def _meet(
    fate: signal.Signals,
    owner: type,
    method: str,
    when: Callable[..., bool] = lambda *_, **__: True,
    *,
    before: bool = False,
) -> None:
    original: Callable[..., object] = getattr(owner, method)
    met = threading.Event()

    def meet(*args: object, **named: object) -> None:
        if not met.is_set() and when(*args, **named):
            met.set()
            # Sent to the process, another thread might take it, and this one go on for a moment.
            signal.pthread_kill(threading.get_ident(), fate)

    @functools.wraps(original)
    def meeting(*args: object, **named: object) -> object:
        if before:
            meet(*args, **named)
        value = original(*args, **named)
        meet(*args, **named)
        return value

    setattr(owner, method, meeting)


def keeper_dies(_: str) -> None:
    """The keeper meets a bug at its first renewal."""
    from worker.queue.keeper import Keeper

    def broken(*_: object) -> None:
        raise RuntimeError("a bug in the keeper")

    Keeper._renew = broken  # type: ignore[assignment]


def renewals_get_no_thread(_: str) -> None:
    """The system has no thread for a renewal, but for everything else."""
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        # No address space has room for a thread of this size.
        usual = threading.stack_size(1 << 46 if thread.name == "renewal" else 0)
        try:
            start(thread)
        finally:
            threading.stack_size(usual)

    threading.Thread.start = refused  # type: ignore[assignment, method-assign]


def jobs_leak(mebibytes: str) -> None:
    """Every job leaves so much memory behind."""
    from worker.execution import Execution

    compute = Execution.compute
    leaked: list[bytes] = []

    def leaking(*args: object) -> object:
        leaked.append(os.urandom(1024) * 1024 * int(mebibytes))
        return compute(*args)  # type: ignore[arg-type]

    Execution.compute = leaking  # type: ignore[assignment, method-assign]


def jobs_hang(_: str) -> None:
    """A job of a file hears nothing and never ends, as in a library's endless loop."""
    from worker.jobs.impact_assessment import FileJob

    FileJob.run = lambda *_: time.sleep(3600)  # type: ignore[assignment, method-assign]


def loop_wedges(_: str) -> None:
    """The loop never comes back from settling its first message."""
    from worker.settlement import Settlement

    Settlement.settle = lambda *_: time.sleep(3600)  # type: ignore[assignment, method-assign]


def impatient_with_the_queue(seconds: str) -> None:
    """A queue that cannot be polled is unhealthy after so long, instead of five minutes."""
    from worker import polling

    polling._QUEUE_FAULT_LIMIT_S = float(seconds)


def clock_is_off(seconds: str) -> None:
    """Wall clock and dates are off by so much; the monotonic clock goes as always."""
    import datetime

    real_time, real = time.time, datetime.datetime
    skew_s = float(seconds)

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

    class Shifted(real, metaclass=Meta):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return real.fromtimestamp(real_time() + skew_s, tz)

        @classmethod
        def utcnow(cls) -> datetime.datetime:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    # Before anything of the worker or of its libraries takes hold of them.
    time.time = lambda: real_time() + skew_s
    datetime.datetime = Shifted  # type: ignore[misc]


FAULTS: dict[str, Callable[[str], None]] = {
    "kill-at": kill_at,
    "stop-at": stop_at,
    "keeper-dies": keeper_dies,
    "renewals-get-no-thread": renewals_get_no_thread,
    "jobs-leak": jobs_leak,
    "jobs-hang": jobs_hang,
    "loop-wedges": loop_wedges,
    "impatient-with-the-queue": impatient_with_the_queue,
    "clock-is-off": clock_is_off,
}


def main() -> int:
    fault, argument = (*sys.argv[1:], "")[:2]
    FAULTS[fault](argument)
    from worker.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
