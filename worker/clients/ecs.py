"""What the ECS agent beside a task is asked: protection from scale-in, and what the task is called.

The agent is a convenience, never a condition: nothing here raises, or takes longer than 2 s.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from worker.logs import logger

_log = logger(__name__)

_ModelT = TypeVar("_ModelT", bound=BaseModel)

_LIMIT_S = 2.0
# After a failure the agent is left alone for so long, so that it does not slow the loop down.
_PAUSE_S = 30.0
# What UpdateTaskProtection accepts: a minute to two days.
_MAX_EXPIRY_MINUTES = 2880
_MAX_DETAIL_CHARACTERS = 200


class _NoAnswer(Exception):
    """The agent did not answer, or not with what was asked for."""


class _State(BaseModel):
    enabled: bool = Field(alias="ProtectionEnabled")


class _ProtectionAnswer(BaseModel):
    protection: _State


class _Container(BaseModel):
    id: str = Field(alias="DockerId")
    name: str = Field(alias="Name")


class _Task(BaseModel):
    arn: str = Field(alias="TaskARN")
    containers: tuple[_Container, ...] = Field((), alias="Containers")


class TaskProtection:
    """Keeps ECS from ending this task, for scale-in or a deployment, while it works.

    ``agent_uri``: the value of ECS_AGENT_URI; if empty, nothing is ever asked. ``longest_s``: how
    long one message may take. Protection is asked for twice as long, so that a busy worker renews
    it now and then instead of once a message, and so that it ends by itself if the worker dies.
    """

    def __init__(
        self, agent_uri: str, *, longest_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = f"{agent_uri.rstrip('/')}/task-protection/v1/state" if agent_uri else ""
        self._longest_s = longest_s
        self._minutes = min(math.ceil(2 * longest_s / 60), _MAX_EXPIRY_MINUTES)
        self._clock = clock
        self._lasts_until = -math.inf
        # An answer that came too late may have set it all the same.
        self._may_be_on = False
        self._failing = False
        self._silent_until = -math.inf

    def on(self) -> None:
        """Before work: protect the task, unless it is protected for long enough anyway."""
        asked_at = self._clock()
        if self._lasts_until - asked_at >= self._longest_s or not self._may_ask():
            return
        self._may_be_on = True
        if self._put({"ProtectionEnabled": True, "ExpiresInMinutes": self._minutes}):
            self._lasts_until = asked_at + self._minutes * 60

    def off(self) -> None:
        """When there is no more work: let ECS end the task."""
        if not self._may_be_on or not self._may_ask():
            return
        # Before the answer, which may be lost although the agent does what it was asked for.
        self._lasts_until = -math.inf
        if self._put({"ProtectionEnabled": False}):
            self._may_be_on = False

    def _may_ask(self) -> bool:
        return bool(self._url) and self._clock() >= self._silent_until

    def _put(self, wanted: Mapping[str, bool | int]) -> bool:
        enabled = bool(wanted["ProtectionEnabled"])
        try:
            text = _ask("PUT", self._url, wanted)
            # A refusal comes with status 200 too, and says so only in its body.
            if _parsed(_ProtectionAnswer, text).protection.enabled != enabled:
                raise _NoAnswer(_excerpt(text))
        except _NoAnswer as error:
            if not self._failing:
                _log.warning("protection.failed", enabled=enabled, error_detail=str(error))
            self._failing = True
            self._silent_until = self._clock() + _PAUSE_S
            return False
        self._failing = False
        _log.info("protection.set", enabled=enabled)
        return True


def task_name(metadata_uri: str) -> str | None:
    """``{task id}/{container}`` of this container, or None where the agent does not say.

    ``metadata_uri``: the value of ECS_CONTAINER_METADATA_URI_V4; its last part is the container.
    """
    base = metadata_uri.rstrip("/")
    try:
        task = _parsed(_Task, _ask("GET", f"{base}/task"))
    except _NoAnswer as error:
        _log.warning("task.unnamed", error_detail=str(error))
        return None
    container_id = base.rpartition("/")[2]
    names = (container.name for container in task.containers if container.id == container_id)
    return f"{task.arn.rpartition('/')[2]}/{next(names, container_id)}"


def _ask(method: str, url: str, body: Mapping[str, bool | int] | None = None) -> str:
    """The text of an answer with status 200; 2 s for all of it, however slowly it drips."""

    async def exchange() -> httpx.Response:
        # The agent is on a link-local address: no proxy could reach it, and it speaks plain HTTP,
        # for which no certificates have to be loaded.
        no_certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with (
            asyncio.timeout(_LIMIT_S),
            httpx.AsyncClient(trust_env=False, verify=no_certificates, timeout=_LIMIT_S) as client,
        ):
            return await client.request(method, url, json=body)

    try:
        answer = asyncio.run(exchange())
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise _NoAnswer(f"{type(error).__name__}: {error}".rstrip(": ")) from error
    if answer.status_code != httpx.codes.OK:
        raise _NoAnswer(f"{answer.status_code}: {_excerpt(answer.text)}")
    return answer.text


def _parsed(model: type[_ModelT], text: str) -> _ModelT:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _NoAnswer(_excerpt(text)) from error


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:_MAX_DETAIL_CHARACTERS]
