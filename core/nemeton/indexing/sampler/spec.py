"""What the sampler is asked: ``type`` and ``spec`` as in a task, and how much to read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.sampler.sampler import InputSourceSampler, SamplerConfig
from nemeton.ingest.schema import DataSchema
from nemeton.json import wire
from nemeton.plugins import extension_point, json_type
from nemeton.spi.ingest import InputFormat, InputSource


@extension_point(hook="sampler_specs", name="sampler spec")
class SamplerSpec(ABC):
    """A kind of input to look at (Druid: ``SamplerSpec``); frozen attrs classes."""

    @abstractmethod
    def sample(self) -> dict[str, Any]:
        """Read some records; the answer, as of :class:`InputSourceSampler`. Raises a `DruidException`."""


@frozen(kw_only=True)
class SampledIOConfig:
    """Where the records come from."""

    input_source: InputSource
    input_format: InputFormat | None = None

    def __attrs_post_init__(self) -> None:
        if self.input_format is None and self.input_source.needs_format:
            raise invalid_input("[spec.ioConfig.inputFormat] is required")


@frozen(kw_only=True)
class SampledIngestionSpec:
    """The parts of a batch ingestion's spec that count; without ``data_schema`` all columns are string dimensions."""

    io_config: SampledIOConfig
    data_schema: DataSchema | None = None


@json_type("index")
@frozen(kw_only=True)
class IndexTaskSamplerSpec(SamplerSpec):
    """The input of a batch ingestion."""

    spec: SampledIngestionSpec
    sampler_config: SamplerConfig = field(factory=SamplerConfig)
    sampler: InputSourceSampler = field(metadata=wire(injected=True))

    def sample(self) -> dict[str, Any]:
        """See :class:`SamplerSpec`."""
        io = self.spec.io_config
        return self.sampler.sample(io.input_source, io.input_format, self.spec.data_schema, self.sampler_config)
