"""The worker with a record of what it asks of AWS.

``python -m tests.fakes.recorded_worker FILE COMMAND…``: each line of the file is one call as
botocore is about to make it. Like ``worker.__main__`` it imports nothing of the worker at the top,
since the children that the worker spawns import this module again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.session import Session


def record(file: Path) -> None:
    """Write a line for every call of every client that this process makes from now on."""
    import botocore
    from botocore.model import OperationModel

    def write(**event: object) -> None:
        params, model = event["params"], event["model"]
        assert isinstance(params, dict)
        assert isinstance(model, OperationModel)
        call = {
            "service": model.service_model.service_name,
            "operation": model.name,
            **{name: params[name] for name in ("QueueUrl", "Bucket", "Key") if name in params},
        }
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(call) + "\n")

    def watch(session: Session) -> None:
        session.register("before-parameter-build", write)

    botocore.register_initializer(watch)


def main() -> None:
    from worker.cli import main as run_command

    file = Path(sys.argv.pop(1))
    record(file)
    run_command()


if __name__ == "__main__":
    main()
