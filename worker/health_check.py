"""The container's own question to its health process, without a shell or curl in the image."""

from __future__ import annotations

import urllib.error
import urllib.request

from worker.settings import HealthSettings

_TIMEOUT_S = 4.0
_ANSWER_BYTES = 4096
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


def ask_health(settings: HealthSettings) -> tuple[bool, str]:
    """(whether the worker is well, what its health process says) on this machine.

    Never through a proxy, whatever the environment names.
    """
    host = settings.health_host
    url = f"http://{'127.0.0.1' if host in _EVERY_ADDRESS else host}:{settings.health_port}/health"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=_TIMEOUT_S) as answer:
            return True, answer.read(_ANSWER_BYTES).decode("utf-8", "replace").strip()
    except urllib.error.HTTPError as error:
        with error:
            return False, error.read(_ANSWER_BYTES).decode("utf-8", "replace").strip()
    except OSError as error:
        return False, f"no answer: {error}"
