"""A worker that does nothing but report to its health process; prints port and pid first.

``python -m tests.fakes.health_parent LIMIT_S [--leak]``: ``--leak`` leaves a forked process behind
that holds the feed open after this one has died. Like ``worker.__main__`` it imports nothing at the
top, since the spawned child imports it again.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    from worker import logs
    from worker.health import HealthProcess
    from worker.progress import Phase, Progress
    from worker.settings import HealthSettings, RuntimeSettings

    limit_s = float(sys.argv[1])
    runtime = RuntimeSettings(log_format="json")
    logs.configure(runtime)
    health = HealthProcess(HealthSettings(health_port=0, health_host="127.0.0.1"), runtime)
    health.start()
    if "--leak" in sys.argv and os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    health.report(Progress(Phase.POLLING, limit_s))
    print(health.port, health.pid, flush=True)
    while True:
        health.report(Progress(Phase.POLLING, limit_s, polled=True))
        time.sleep(0.1)


if __name__ == "__main__":
    main()
