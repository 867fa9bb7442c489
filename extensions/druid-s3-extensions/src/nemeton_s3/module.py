"""Binds the extension's properties and clients."""

from __future__ import annotations

from nemeton.spi import Binder, Module
from nemeton_s3.clients import Encryption, S3Clients
from nemeton_s3.config import (
    AWSClientConfig,
    AWSCredentialsConfig,
    AWSEndpointConfig,
    AWSProxyConfig,
    S3StorageConfig,
    S3TaskLogsConfig,
    ServerSideEncryptionConfig,
    SseCustomConfig,
    SseKmsConfig,
)


class S3Module(Module):
    """In all roles: pullers, and input sources of tasks that are only passed on, need it everywhere."""

    def configure(self, binder: Binder) -> None:
        """``druid.s3.*``, ``druid.storage.*`` and ``druid.indexer.logs.*``, as far as they are S3's."""
        binder.bind_config("druid.s3", AWSCredentialsConfig)
        binder.bind_config("druid.s3", AWSClientConfig)
        binder.bind_config("druid.s3.endpoint", AWSEndpointConfig)
        binder.bind_config("druid.s3.proxy", AWSProxyConfig)
        binder.bind_config("druid.storage", S3StorageConfig)
        binder.bind_config("druid.storage.sse", ServerSideEncryptionConfig)
        binder.bind_config("druid.storage.sse.kms", SseKmsConfig)
        binder.bind_config("druid.storage.sse.custom", SseCustomConfig)
        binder.bind_config("druid.indexer.logs", S3TaskLogsConfig)
        binder.bind(S3Clients)
        binder.bind(Encryption, provider=Encryption.of)
