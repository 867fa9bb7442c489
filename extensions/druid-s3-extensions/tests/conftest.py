"""What the tests share: the extension on a server that speaks S3."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from nemeton.common.clock import SystemClock
from nemeton.config.passwords import DefaultPasswordProvider
from nemeton_s3.clients import S3Clients
from nemeton_s3.config import AWSClientConfig, AWSCredentialsConfig, AWSEndpointConfig, AWSProxyConfig

_numbers = itertools.count(1)


@pytest.fixture
def json(nemeton_extensions: Callable[..., Any]) -> Any:
    return nemeton_extensions("druid-s3-extensions").json


@pytest.fixture
def make_clients(s3: Any, json: Any) -> Callable[..., S3Clients]:
    """Clients of the server; `secret` is the secret key, the right one unless a test gives another."""

    def make(secret: str = s3.properties()["druid.s3.secretKey"]) -> S3Clients:
        return S3Clients(
            AWSCredentialsConfig(
                access_key=DefaultPasswordProvider(s3.properties()["druid.s3.accessKey"]),
                secret_key=DefaultPasswordProvider(secret),
            ),
            AWSClientConfig(enable_path_style_access=True),
            AWSEndpointConfig(url=s3.url, signing_region="us-east-1"),
            AWSProxyConfig(),
            json,
            SystemClock(),
        )

    return make


@pytest.fixture
def clients(make_clients: Callable[..., S3Clients]) -> S3Clients:
    return make_clients()


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new bucket."""
    return s3.create_bucket(f"bucket-{next(_numbers)}")
