"""What each client makes of a source of AWS credentials that has none to give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.aws_credentials import Credentials
from worker.clients.rds import rds_tokens
from worker.clients.s3 import BoundaryStore
from worker.clients.s3_upload import OutputStore
from worker.demo.aws import AwsEmulator
from worker.errors import ConfigurationFault, DependencyDown, TransientError
from worker.queue.sqs import SqsQueue, make_sqs_client
from worker.settings import AwsSettings, DatabaseSettings

Call = Callable[[AwsSettings, Path], object]


def poll(aws: AwsSettings, _: Path) -> None:
    queue = SqsQueue(make_sqs_client(aws, 0), f"{aws.aws_endpoint_url}/0/queue")
    queue.receive(max_messages=1, wait_s=0, visibility_s=5)


def download(aws: AwsSettings, directory: Path) -> None:
    BoundaryStore(aws).download("uploads", "job-1/site.zip", directory, max_bytes=1)


def upload(aws: AwsSettings, _: Path) -> None:
    OutputStore(aws).put("export/manifest.json", b"{}", content_type="application/json")


def sign_in(aws: AwsSettings, _: Path) -> None:
    settings = DatabaseSettings(db_host="db.example", db_user="worker")
    rds_tokens(settings, aws.aws_region)()


CALLS: list[tuple[Call, str, str]] = [
    (poll, "queue_unavailable", "queue_access_denied"),
    (download, "s3_unavailable", "s3_access_denied"),
    (upload, "s3_unavailable", "s3_access_denied"),
    (sign_in, "database_unavailable", "database_unavailable"),
]


@pytest.fixture
def settings(aws: AwsEmulator, monkeypatch: pytest.MonkeyPatch) -> AwsSettings:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return AwsSettings(
        s3_input_bucket=("uploads",),
        s3_output_bucket="exports",
        aws_endpoint_url=aws.endpoint_url,
    )


@pytest.fixture
def source(settings: AwsSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Credentials]:
    with Credentials() as endpoint:
        for name, value in endpoint.variables.items():
            monkeypatch.setenv(name, value)
        yield endpoint


@pytest.mark.parametrize("fault", ["away", "expired", "nonsense"])
@pytest.mark.parametrize(("call", "code"), [(call, code) for call, code, _ in CALLS])
def test_a_source_that_gives_no_usable_key_may_do_so_later(
    settings: AwsSettings, source: Credentials, tmp_path: Path, call: Call, code: str, fault: str
) -> None:
    source.fail_with(fault)

    with pytest.raises(TransientError) as raised:
        call(settings, tmp_path)

    assert raised.value.code == code


def test_a_token_is_made_as_soon_as_its_source_is_back(
    settings: AwsSettings, source: Credentials
) -> None:
    database = DatabaseSettings(db_host="db.example", db_user="worker")
    source.fail_with("away")
    token = rds_tokens(database, settings.aws_region)
    with pytest.raises(DependencyDown):
        token()
    source.fail_with(None)

    assert "X-Amz-Signature=" in token()


@pytest.mark.parametrize("profile", [None, "nobody-has-it"])
@pytest.mark.parametrize(("call", "code"), [(call, code) for call, _, code in CALLS])
def test_credentials_that_are_not_configured_are_a_fault_of_the_configuration(
    settings: AwsSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    call: Call,
    code: str,
    profile: str | None,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)

    with pytest.raises((ConfigurationFault, DependencyDown)) as raised:
        call(settings, tmp_path)

    assert raised.value.code == code
