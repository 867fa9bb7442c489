"""``druid.emitter.http.*``, and the same below ``druid.emitter.parametrized.httpEmitting``."""

from __future__ import annotations

import enum

from attrs import field, frozen, validators

from nemeton.config import PasswordProvider
from nemeton.emitter.batches import BatchingStrategy

_NO_TIMEOUT = 2**63 - 1


class ContentEncoding(enum.StrEnum):
    """How bodies are compressed."""

    GZIP = "GZIP"


@frozen
class HttpEmittingConfig:
    """How events are gathered and sent; times in milliseconds, sizes in bytes. Names are Druid's.

    ``basic_authentication`` gives ``login:password``. ``min_http_timeout_millis`` is the least time that a request
    gets; otherwise it gets the time that its batch took to fill, times ``http_timeout_allowance_factor``, and less
    when batches pile up, so that sending keeps pace.
    """

    __config__ = True

    flush_millis: int = field(default=60_000, validator=validators.ge(1))
    flush_count: int = field(default=500, validator=validators.ge(1))
    flush_time_out: int = field(default=_NO_TIMEOUT, validator=validators.ge(0))
    basic_authentication: PasswordProvider | None = None
    batching_strategy: BatchingStrategy = BatchingStrategy.ARRAY
    max_batch_size: int = field(default=5 * 1024 * 1024, validator=validators.ge(1024))
    content_encoding: ContentEncoding | None = None
    batch_queue_size_limit: int = field(default=10, validator=validators.ge(1))
    http_timeout_allowance_factor: float = field(default=2.0, validator=validators.ge(1.0))
    min_http_timeout_millis: int = field(default=0, validator=validators.ge(0))


@frozen
class HttpEmitterConfig(HttpEmittingConfig):
    """With the URL that events are posted to; it must be set when the emitter is ``http``."""

    recipient_base_url: str | None = None


@frozen
class ParametrizedUriEmitterConfig:
    """A URL with parts of the event in it, such as ``http://host/{feed}``, and how to send there."""

    recipient_base_url_pattern: str | None = None
    http_emitting: HttpEmittingConfig = field(factory=HttpEmittingConfig)
