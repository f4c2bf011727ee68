"""What botocore raises when it has no keys to sign with, and when it has not: told in one place.

The source of credentials is asked when a client is made and when a call is signed, again and again
where keys expire. What goes wrong there comes out of any call of any client, and in part as plain
Python errors: keys that are expired when they are handed out are a RuntimeError, an answer
without a key is a KeyError.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore import exceptions as botocore

from worker.errors import WorkerError

# Somebody has to set them, or mend what is set.
_ABSENT = (
    botocore.ConfigParseError,
    botocore.NoCredentialsError,
    botocore.PartialCredentialsError,
    botocore.ProfileNotFound,
)


@contextmanager
def credentials_told(
    *, absent: Callable[[str], WorkerError], away: Callable[[str], WorkerError]
) -> Iterator[None]:
    """Raise what ``absent`` makes of credentials that are not configured, or not fully.

    And what ``away`` makes of a source that gives none, or none that can be used, at the moment.
    Everything else passes, also what AWS answers to whoever asks it for a role.
    """
    try:
        yield
    except _ABSENT as error:
        raise absent(str(error)) from error
    except Exception as error:
        if isinstance(error, botocore.ClientError) or not _is_of_a_source(error):
            raise
        raise away(f"{type(error).__name__}: {error}") from error


def _is_of_a_source(error: Exception) -> bool:
    return isinstance(error, botocore.CredentialRetrievalError) or any(
        frame.f_globals.get("__name__") == "botocore.credentials"
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )
