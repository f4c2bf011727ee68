"""What reading and writing objects share: how a client is made, and what S3's refusals mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from botocore import exceptions as botocore

from worker.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

_READ_TIMEOUT_S = 30

# We are refused whatever we ask for: the account, the key or our clock.
_REFUSED = frozenset(
    {
        "AccountProblem",
        "AllAccessDisabled",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoSuchBucket",
        "NotSignedUp",
        "PermanentRedirect",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)


def make_s3_client(
    settings: AwsSettings,
    *,
    connect_timeout_s: int,
    tries: int,
    read_timeout_s: int = _READ_TIMEOUT_S,
) -> S3Client:
    """A client that tries each call up to ``tries`` times."""
    from boto3.session import Session
    from botocore.config import Config

    endpoint = settings.aws_endpoint_url
    # Emulators answer under one host name, so the bucket goes into the path there.
    addressing: Literal["path", "auto"] = "path" if endpoint else "auto"
    return Session().client(
        "s3",
        region_name=settings.aws_region,
        endpoint_url=endpoint,
        config=Config(
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": tries},
            s3={"addressing_style": addressing},
        ),
    )


def error_code(error: botocore.ClientError) -> str:
    """S3's name for what went wrong; empty if it gave none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def http_status(error: botocore.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def refuses_us(error: botocore.ClientError) -> bool:
    """Whether S3 refuses us whatever we ask for, as opposed to this call."""
    return error_code(error) in _REFUSED


def forbids(error: botocore.ClientError) -> bool:
    """Whether this call is closed to us.

    Expired credentials are replaced by the chain; the next try has fresh ones.
    """
    return http_status(error) == 403 and not error_code(error).startswith("ExpiredToken")
