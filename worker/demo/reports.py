"""The files that the demo leaves behind: what the e-mail carried, and what the command writes."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from worker.demo.notify import SentEmail
from worker.demo.process import HelperFailed

DIRECTORY = Path("build", "demo")

_COMMAND_LIMIT_S = 60


def save_attachments(emails: Sequence[SentEmail], directory: Path) -> tuple[Path, ...]:
    """Write the files that e-mails carried, and say where they are."""
    saved: list[Path] = []
    for email in emails:
        for value in email.personalisation.values():
            if isinstance(value, dict) and "file" in value:
                file = directory / str(value["filename"])
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(base64.b64decode(str(value["file"])))
                saved.append(file)
    return tuple(saved)


def assess(
    kind: str, boundary: bytes, directory: Path, environment: Mapping[str, str]
) -> tuple[Path, ...]:
    """Run ``worker assess`` on a boundary archive as a person would; the files it wrote."""
    directory.mkdir(parents=True, exist_ok=True)
    archive = directory / "site.zip"
    archive.write_bytes(boundary)
    done = subprocess.run(
        [sys.executable, "-m", "worker", "assess", kind, archive, "--output", directory],
        env={**environment, "LOG_LEVEL": "error"},
        capture_output=True,
        text=True,
        timeout=_COMMAND_LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise HelperFailed(f"worker assess {kind} exited {done.returncode}: {done.stderr}")
    return tuple(file for file in sorted(directory.iterdir()) if file != archive)
