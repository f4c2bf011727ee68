"""The real worker as the soak runs it: a poisoned payload ends its process.

Like ``worker.__main__`` it imports nothing of the worker at the top, since the children that the
worker spawns import this module again.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    from tests.soak.plan import POISON_PEOPLE
    from worker import assembly
    from worker.execution import Execution
    from worker.main import main as run

    compute = Execution.compute

    def mortal(self: Execution, *args: object) -> object:
        for job in args:
            payload = getattr(job, "payload", None)
            if isinstance(payload, dict) and payload.get("peopleCount") == POISON_PEOPLE:
                os.kill(os.getpid(), signal.SIGKILL)
        return compute(self, *args)  # type: ignore[arg-type]

    Execution.compute = mortal  # type: ignore[assignment, method-assign]
    # What a killed worker was delivering is free again before the soak is over.
    assembly.DELIVERY_CLAIM_S = float(os.environ["SOAK_DELIVERY_CLAIM_SECONDS"])
    return run()


if __name__ == "__main__":
    sys.exit(main())
