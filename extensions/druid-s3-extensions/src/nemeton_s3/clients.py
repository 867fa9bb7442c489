"""Clients of S3 as the configuration, and the specs of input sources, want them."""

from __future__ import annotations

import base64
import hashlib
import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from attrs import field, frozen

from nemeton.common.clock import Clock
from nemeton.config.passwords import PasswordProvider
from nemeton.json import Json
from nemeton_s3.config import (
    AWSClientConfig,
    AWSCredentialsConfig,
    AWSEndpointConfig,
    AWSProxyConfig,
    ServerSideEncryptionConfig,
    SseCustomConfig,
    SseKmsConfig,
    SseType,
)

log = logging.getLogger(__name__)

_ATTEMPTS = 8
_DEFAULT_REGION = "us-east-1"


@frozen(kw_only=True)
class S3InputSourceConfig:
    """``properties`` of an input source: other credentials than the cluster's.

    Secrets are texts or password providers, kept as they were given: the task goes on to its sub tasks as JSON.
    """

    access_key_id: Any = field(default=None, repr=False)
    secret_access_key: Any = field(default=None, repr=False)
    session_token: Any = field(default=None, repr=False)
    assume_role_arn: str | None = None
    assume_role_external_id: str | None = None


@frozen(kw_only=True)
class Encryption:
    """What goes with requests so that the server encrypts what is put, and can read what it encrypted."""

    put: dict[str, Any] = field(factory=dict)
    get: dict[str, Any] = field(factory=dict, repr=False)

    @classmethod
    def of(cls, config: ServerSideEncryptionConfig, kms: SseKmsConfig, custom: SseCustomConfig) -> Encryption:
        """As ``druid.storage.sse`` says. Raises ValueError for ``custom`` without a key."""
        if config.type is None:
            return cls()
        if config.type is SseType.S3:
            return cls(put={"ServerSideEncryption": "AES256"})
        if config.type is SseType.KMS:
            key = {} if kms.key_id is None else {"SSEKMSKeyId": kms.key_id}
            return cls(put={"ServerSideEncryption": "aws:kms", **key})
        secret = custom.base64_encoded_key.get_password() if custom.base64_encoded_key else None
        if not secret:
            raise ValueError("druid.storage.sse.custom.base64EncodedKey must be set for druid.storage.sse.type=custom")
        # botocore encodes the key itself
        given = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64decode(secret, validate=True)}
        return cls(put=given, get=given)


class S3Clients:
    """Makes boto3 clients; the cluster's own one is made once, on first use. Thread-safe, as the clients are."""

    def __init__(
        self,
        credentials: AWSCredentialsConfig,
        client: AWSClientConfig,
        endpoint: AWSEndpointConfig,
        proxy: AWSProxyConfig,
        json: Json,
        clock: Clock,
    ) -> None:
        self._json = json
        self._clock = clock
        self._credentials = credentials
        self._client_config = client
        self._endpoint = endpoint
        self._proxy = proxy
        self._lock = threading.Lock()
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The client of ``druid.s3.*``."""
        with self._lock:
            if self._client is None:
                self._client = self._make(self._keys, self._client_config, self._endpoint, self._proxy)
            return self._client

    def for_input(
        self,
        properties: S3InputSourceConfig | None,
        client: AWSClientConfig | None,
        endpoint: AWSEndpointConfig | None,
        proxy: AWSProxyConfig | None,
    ) -> Any:
        """The client that an input source wants: the cluster's, but for what its spec says otherwise."""
        if properties is None and client is None and endpoint is None and proxy is None:
            return self.client
        keys = self._keys if properties is None else partial(self._keys_of, properties, endpoint or self._endpoint)
        return self._make(keys, client or self._client_config, endpoint or self._endpoint, proxy or self._proxy)

    def _keys(self) -> dict[str, str]:
        config = self._credentials
        if config.file_session_credentials is not None:
            return _from_file(Path(config.file_session_credentials))
        return _keys(config.access_key, config.secret_key, config.session_token)

    def _keys_of(self, properties: S3InputSourceConfig, endpoint: AWSEndpointConfig) -> dict[str, Any]:
        given = (properties.access_key_id, properties.secret_access_key, properties.session_token)
        secrets = (None if value is None else self._json.structure(value, PasswordProvider) for value in given)
        own = _keys(*secrets) or self._keys()
        if properties.assume_role_arn is None:
            return own
        import boto3

        region = endpoint.signing_region or _DEFAULT_REGION
        external = properties.assume_role_external_id
        answer = boto3.client("sts", region_name=region, **own).assume_role(
            RoleArn=properties.assume_role_arn,
            RoleSessionName="nemeton-ingestion",
            **({} if external is None else {"ExternalId": external}),
        )["Credentials"]
        return {
            "aws_access_key_id": answer["AccessKeyId"],
            "aws_secret_access_key": answer["SecretAccessKey"],
            "aws_session_token": answer["SessionToken"],
            "expires": round(answer["Expiration"].timestamp() * 1000),
        }

    def _make(
        self,
        read: Callable[[], dict[str, Any]],
        client: AWSClientConfig,
        endpoint: AWSEndpointConfig,
        proxy: AWSProxyConfig,
    ) -> Any:
        """A client that reads its keys again from time to time; whom boto3 finds, if there are none."""
        from botocore.config import Config

        from nemeton_s3.credentials import make_client

        url = endpoint.url
        if url is not None and "://" not in url:
            url = f"{client.protocol}://{url}"
        config = Config(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            connect_timeout=client.connection_timeout / 1000,
            read_timeout=client.socket_timeout / 1000,
            max_pool_connections=client.max_connections,
            proxies=_proxies(proxy),
            # checksums beyond what the call needs are Amazon's own; other servers do not know them
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if client.enable_path_style_access else "auto"},
        )
        made = make_client(
            read,
            self._clock,
            endpoint_url=url,
            region_name=endpoint.signing_region or _DEFAULT_REGION,
            config=config,
        )
        made.meta.events.register("before-sign.s3.DeleteObjects", _with_md5)
        return made


def _with_md5(request: Any, **_: Any) -> None:
    """Say the checksum of what to delete as all servers understand it; boto3's newer ways some of them refuse."""
    for name in [
        name for name in request.headers if name.lower().startswith(("x-amz-checksum-", "x-amz-sdk-checksum"))
    ]:
        del request.headers[name]
    body = request.body if isinstance(request.body, bytes) else request.body.encode()
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode()


def _keys(*providers: PasswordProvider | None) -> dict[str, Any]:
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return {
        name: secret
        for name, provider in zip(names, providers, strict=True)
        if provider is not None and (secret := provider.get_password())
    }


def _from_file(file: Path) -> dict[str, Any]:
    names = {
        "accessKey": "aws_access_key_id",
        "secretKey": "aws_secret_access_key",
        "sessionToken": "aws_session_token",
    }
    pairs = (line.partition("=") for line in file.read_text(encoding="utf-8").splitlines())
    return {names[key.strip()]: value.strip() for key, _, value in pairs if key.strip() in names}


def _proxies(proxy: AWSProxyConfig) -> dict[str, str] | None:
    if proxy.host is None:
        return None
    user = ""
    if proxy.username is not None:
        password = proxy.password.get_password() if proxy.password else None
        user = f"{proxy.username}:{password or ''}@"
    address = f"http://{user}{proxy.host}:{proxy.port}"
    return {"http": address, "https": address}
