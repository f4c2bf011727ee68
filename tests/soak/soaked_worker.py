"""The real worker as the soak runs it: a poisoned payload ends its process, a slow one takes time.

Like ``worker.__main__`` it imports nothing of the worker at the top, since the children that the
worker spawns import this module again.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_SLOW_S = 1.5


def main() -> int:
    from tests.soak.plan import POISON_PEOPLE, SLOW_PEOPLE
    from worker import assembly
    from worker.execution import Execution
    from worker.main import main as run

    compute = Execution.compute

    def mortal(self: Execution, *args: object) -> object:
        for job in args:
            payload = getattr(job, "payload", None)
            people = payload.get("peopleCount") if isinstance(payload, dict) else None
            if people == POISON_PEOPLE:
                os.kill(os.getpid(), signal.SIGKILL)
            if people == SLOW_PEOPLE:
                time.sleep(_SLOW_S)
        return compute(self, *args)  # type: ignore[arg-type]

    Execution.compute = mortal  # type: ignore[assignment, method-assign]
    _tell_of_emails(Path(os.environ["SOAK_SENDING_EMAIL"]))
    # What a killed worker was delivering is free again before the soak is over.
    assembly.DELIVERY_CLAIM_S = float(os.environ["SOAK_DELIVERY_CLAIM_SECONDS"])  # type: ignore[attr-defined]
    return run()


def _tell_of_emails(sending: Path) -> None:
    """The file ``sending`` is there while a request that sends an e-mail is under way."""
    from notifications_python_client.notifications import NotificationsAPIClient

    send: Callable[..., object] = NotificationsAPIClient.send_email_notification

    def telling(*args: object, **named: object) -> object:
        sending.touch()
        try:
            return send(*args, **named)
        finally:
            sending.unlink(missing_ok=True)

    NotificationsAPIClient.send_email_notification = telling  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main())
