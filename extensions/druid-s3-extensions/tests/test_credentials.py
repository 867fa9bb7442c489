"""Credentials that change or end while a process runs, on a real server."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from nemeton.common.clock import ManualClock
from nemeton.config.passwords import PasswordProvider
from nemeton_s3.clients import S3Clients, S3InputSourceConfig
from nemeton_s3.config import AWSClientConfig, AWSCredentialsConfig, AWSEndpointConfig, AWSProxyConfig

NOW = 1_763_600_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def make(s3: Any, json: Any, clock: ManualClock) -> Callable[..., S3Clients]:
    def make(**credentials: Any) -> S3Clients:
        client = AWSClientConfig(enable_path_style_access=True)
        endpoint = AWSEndpointConfig(url=s3.url, signing_region="us-east-1")
        return S3Clients(AWSCredentialsConfig(**credentials), client, endpoint, AWSProxyConfig(), json, clock)

    return make


class Session:
    """The file of a session, as whoever renews it writes it."""

    def __init__(self, file: Path, s3: Any) -> None:
        self.file = file
        self._properties = s3.properties()

    def write(self, secret: str | None = None, access: str | None = None, token: str = "") -> None:
        access = access or self._properties["druid.s3.accessKey"]
        secret = secret or self._properties["druid.s3.secretKey"]
        # the server knows no session tokens
        lines = [*([f"sessionToken={token}"] if token else []), f"accessKey={access}", f"secretKey={secret}"]
        self.file.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def session(tmp_path: Path, s3: Any) -> Session:
    made = Session(tmp_path / "session.properties", s3)
    made.write()
    return made


def signer(client: Any) -> str:
    return str(client._request_signer._credentials.get_frozen_credentials().access_key)


def listing(client: Any, bucket: str) -> Any:
    return client.list_objects_v2(Bucket=bucket)["ResponseMetadata"]


def test_a_session_that_ended_goes_on_with_what_the_file_says_now(
    make: Callable[..., S3Clients], session: Session, bucket: str
) -> None:
    """The server refuses the old one; nobody sees that, but that the request took two tries."""
    session.write(secret="old")
    client = make(file_session_credentials=str(session.file)).client
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        listing(client, bucket)
    session.write()
    assert listing(client, bucket)["RetryAttempts"] == 1
    assert listing(client, bucket)["RetryAttempts"] == 0


def test_what_was_signed_before_another_request_found_the_new_session_is_sent_again_too(
    make: Callable[..., S3Clients], session: Session, bucket: str
) -> None:
    client = make(file_session_credentials=str(session.file)).client
    credentials = client._request_signer._credentials
    session.write(access="new")
    assert credentials.refused()
    assert credentials.refused()


def test_what_is_refused_for_another_reason_is_not_sent_again(
    make: Callable[..., S3Clients], session: Session, bucket: str
) -> None:
    session.write(secret="wrong")
    client = make(file_session_credentials=str(session.file)).client
    with pytest.raises(ClientError) as caught:
        listing(client, bucket)
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_the_file_is_read_again_every_minute(
    make: Callable[..., S3Clients], session: Session, clock: ManualClock
) -> None:
    client = make(file_session_credentials=str(session.file)).client
    first = signer(client)
    session.write(access="second", token="t")
    clock.advance(59)
    assert signer(client) == first
    clock.advance(1)
    assert signer(client) == "second"
    assert client._request_signer._credentials.get_frozen_credentials().token == "t"


def test_what_is_not_whole_at_the_beginning_is_an_error(make: Callable[..., S3Clients], session: Session) -> None:
    session.file.write_text("accessKey=a", encoding="utf-8")
    with pytest.raises(ValueError, match="both an access key and a secret key"):
        _ = make(file_session_credentials=str(session.file)).client


def test_a_file_that_cannot_be_read_leaves_the_session_as_it_is(
    make: Callable[..., S3Clients], session: Session, clock: ManualClock, bucket: str, caplog: Any
) -> None:
    client = make(file_session_credentials=str(session.file)).client
    for content in ("accessKey=half", ""):
        session.file.write_text(content, encoding="utf-8")
        clock.advance(60)
        assert listing(client, bucket)["RetryAttempts"] == 0
    session.file.unlink()
    clock.advance(60)
    assert listing(client, bucket)["RetryAttempts"] == 0
    assert "cannot be read again" in caplog.text
    session.write(access="next")
    clock.advance(60)
    assert signer(client) == "next"


def test_a_password_provider_is_asked_again(make: Callable[..., S3Clients], clock: ManualClock) -> None:
    class Turning(PasswordProvider):
        value = "first"

        def get_password(self) -> str:
            return self.value

    turning = Turning()
    client = make(access_key=turning, secret_key=turning).client
    assert signer(client) == "first"
    turning.value = "second"
    clock.advance(60)
    assert signer(client) == "second"


def test_an_assumed_role_is_assumed_anew_before_it_ends(
    make: Callable[..., S3Clients], clock: ManualClock, monkeypatch: Any
) -> None:
    """No server here speaks STS: its answers are made up."""
    assumed: list[str] = []

    def assume_role(**_asked: Any) -> Any:
        assumed.append(f"role-{len(assumed)}")
        end = datetime.datetime.fromtimestamp(clock.now() / 1000 + 3600, datetime.UTC)
        return {
            "Credentials": {
                "AccessKeyId": assumed[-1],
                "SecretAccessKey": "s",
                "SessionToken": "t",
                "Expiration": end,
            }
        }

    monkeypatch.setattr(boto3, "client", lambda *_, **__: SimpleNamespace(assume_role=assume_role))
    properties = S3InputSourceConfig(access_key_id="a", secret_access_key="s", assume_role_arn="arn:aws:iam::1:role/r")
    client = make().for_input(properties, None, None, None)
    clock.advance(3000)
    assert signer(client) == "role-0"
    clock.advance(300)
    assert signer(client) == "role-1"
