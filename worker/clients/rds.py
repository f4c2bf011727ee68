"""Passwords for databases in RDS that take IAM authentication: tokens, good for 15 minutes.

boto3 is imported with the first token: most commands and databases need none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeAlias

from worker.errors import DependencyDown
from worker.logs import redact

if TYPE_CHECKING:
    from worker.settings import DatabaseSettings

TokenSource: TypeAlias = Callable[[], str]


class _Signer(Protocol):
    def generate_db_auth_token(self, **named: object) -> str: ...


def rds_tokens(settings: DatabaseSettings, region: str) -> TokenSource:
    """A source of RDS IAM tokens; signing is local, only credentials may need the network.

    They are first asked for with the first token, as their source may be away. Without them a
    token raises DependencyDown ``database_unavailable``.
    """
    making = threading.Lock()

    @cache
    def signer() -> _Signer:
        from boto3.session import Session

        made: _Signer = Session().client("rds", region_name=region)
        return made

    def token() -> str:
        from botocore.exceptions import BotoCoreError

        from worker.credentials import credentials_told

        try:
            with credentials_told(absent=_no_token, away=_no_token):
                # A pool makes several connections at once.
                with making:
                    made = signer()
                return made.generate_db_auth_token(
                    DBHostname=settings.db_host,
                    Port=settings.db_port,
                    DBUsername=settings.db_user,
                    Region=region,
                )
        except BotoCoreError as error:
            raise _no_token(str(error)) from error

    return token


def _no_token(said: str) -> DependencyDown:
    return DependencyDown(
        "database_unavailable",
        "The database can't be reached.",
        detail=redact(f"no IAM token: {said}"),
    )
