"""The properties of the extension, with Druid's names and defaults."""

from __future__ import annotations

import enum
from typing import Any

from attrs import field, frozen, validators

from nemeton.config.passwords import PasswordProvider


@frozen(kw_only=True)
class AWSCredentialsConfig:
    """``druid.s3.*``: who asks. Without keys it is whom boto3 finds: environment, profile, container, instance.

    ``file_session_credentials`` names a file with lines ``sessionToken=…``, ``accessKey=…``, ``secretKey=…``. It is
    read again every minute, as the password providers are asked again, and when the server refuses what is in use.
    """

    access_key: PasswordProvider | None = None
    secret_key: PasswordProvider | None = None
    session_token: PasswordProvider | None = None
    file_session_credentials: str | None = None


@frozen(kw_only=True)
class AWSClientConfig:
    """``druid.s3.*``: how it is asked. Timeouts in milliseconds."""

    protocol: str = field(default="https", validator=validators.in_(("http", "https")))
    disable_chunked_encoding: bool = False
    enable_path_style_access: bool = False
    force_global_bucket_access_enabled: bool = False
    connection_timeout: int = 10_000
    socket_timeout: int = 50_000
    max_connections: int = field(default=50, validator=validators.ge(1))


@frozen(kw_only=True)
class AWSEndpointConfig:
    """``druid.s3.endpoint.*``: a server other than Amazon's, and its region."""

    url: str | None = None
    signing_region: str | None = None


@frozen(kw_only=True)
class AWSProxyConfig:
    """``druid.s3.proxy.*``."""

    host: str | None = None
    port: int = -1
    username: str | None = None
    password: PasswordProvider | None = None


def _no_slashes(value: str) -> str:
    return value.strip("/")


@frozen(kw_only=True)
class S3StorageConfig:
    """``druid.storage.*`` of type ``s3``: where segments go. ``bucket`` is needed where segments are pushed.

    ``archive_bucket`` and ``archive_base_key``: where the task ``archive`` moves them to.
    """

    bucket: str = ""
    base_key: str = field(default="", converter=_no_slashes)
    disable_acl: bool = False
    use_s3a_schema: bool = False
    max_listing_length: int = field(default=1024, validator=(validators.ge(1), validators.le(1024)))
    archive_bucket: str = ""
    archive_base_key: str = field(default="", converter=_no_slashes)


class SseType(enum.Enum):
    """How the server encrypts what is stored."""

    S3 = "s3"
    KMS = "kms"
    CUSTOM = "custom"


@frozen(kw_only=True)
class ServerSideEncryptionConfig:
    """``druid.storage.sse.type``; absent: as the bucket is set."""

    type: SseType | None = None


@frozen(kw_only=True)
class SseKmsConfig:
    """``druid.storage.sse.kms.*``."""

    key_id: str | None = None


@frozen(kw_only=True)
class SseCustomConfig:
    """``druid.storage.sse.custom.*``: a key of one's own, which every request has to carry."""

    base64_encoded_key: PasswordProvider | None = None


@frozen(kw_only=True)
class S3TaskLogsConfig:
    """``druid.indexer.logs.*`` of type ``s3``."""

    s3_bucket: str | None = None
    s3_prefix: str = field(default="", converter=_no_slashes)
    disable_acl: bool = False


def grants(disable_acl: bool) -> dict[str, Any]:
    """What goes with a put so that the bucket's owner, not only its writer, may read it."""
    return {} if disable_acl else {"ACL": "bucket-owner-full-control"}
