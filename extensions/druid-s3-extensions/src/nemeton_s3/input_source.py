"""The input source ``s3``."""

from __future__ import annotations

from functools import cache, cached_property
from typing import ClassVar

from attrs import field, frozen

from nemeton.ingest.sources.objects import ObjectInputSource
from nemeton.json import json_options, wire
from nemeton.plugins import json_type
from nemeton_s3.clients import S3Clients, S3InputSourceConfig
from nemeton_s3.config import AWSClientConfig, AWSEndpointConfig, AWSProxyConfig
from nemeton_s3.store import S3ObjectStore


@json_type("s3")
@json_options(omit_none=True)
@frozen(kw_only=True, slots=False)
class S3InputSource(ObjectInputSource):
    """Objects in S3 (Druid: ``S3InputSource``); ``properties`` and the like override what the cluster is set to."""

    schemes: ClassVar[tuple[str, ...]] = ("s3",)

    clients: S3Clients = field(eq=False, repr=False, metadata=wire(injected=True))
    properties: S3InputSourceConfig | None = field(default=None, repr=False)
    endpoint_config: AWSEndpointConfig | None = None
    proxy_config: AWSProxyConfig | None = field(default=None, repr=False)
    client_config: AWSClientConfig | None = None

    @cached_property
    def store(self) -> S3ObjectStore:
        """S3, with this source's credentials."""
        given = self.properties, self.client_config, self.endpoint_config, self.proxy_config
        return S3ObjectStore(cache(lambda: self.clients.for_input(*given)))
