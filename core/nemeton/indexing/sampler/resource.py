"""``POST /druid/indexer/v1/sampler``."""

from __future__ import annotations

import logging

from nemeton.common.errors import DruidException
from nemeton.indexing.batch.failures import failure_message
from nemeton.indexing.overlord.resources.common import error
from nemeton.indexing.sampler.spec import SamplerSpec
from nemeton.spi.http import Request, Resource, route, state_write

log = logging.getLogger(__name__)

_TOO_MANY = "CAPACITY_EXCEEDED"


class SamplerResource(Resource):
    """Looks at an input before it is ingested."""

    @route("POST", "/druid/indexer/v1/sampler", access=state_write)
    def sample(self, request: Request) -> object:
        """What an ingestion would make of the first records, or 400 with what is wrong."""
        spec = request.json(SamplerSpec)  # type: ignore[type-abstract]
        if spec is None:
            return error(400, "Request body cannot be empty")
        try:
            return spec.sample()
        except Exception as e:
            if isinstance(e, DruidException) and e.category == _TOO_MANY:
                raise
            log.warning("An input cannot be sampled", exc_info=e)
            return error(400, f"Failed to sample data: {failure_message(e)}")
