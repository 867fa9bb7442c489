"""Hooks of ingestion: where data comes from, and how it is read."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from nemeton.plugins import hookspec
from nemeton.spi.hookspecs.types import Types


@hookspec
def input_sources() -> Types:
    """Places that ingestion reads from: `ioConfig.inputSource.type`.

    Returns classes of `nemeton.spi.InputSource`.

    Used by: the peons of batch tasks, and the Overlord where it samples and checks specifications.

    Example::

        @hookimpl
        def input_sources():
            return [lazy("ftp", "acme.ftp:FtpInputSource")]
    """


@hookspec
def partitions_specs() -> Types:
    """Ways to divide the rows of an interval among segments: `tuningConfig.partitionsSpec.type`.

    Returns classes of `nemeton.indexing.batch.partitions.PartitionsSpec`.

    Used by: the peons of batch tasks, and the Overlord where it checks specifications.

    Example::

        @hookimpl
        def partitions_specs():
            return [lazy("zOrder", "acme.zorder:ZOrderPartitionsSpec")]
    """


@hookspec
def sampler_specs() -> Types:
    """Kinds of input that the sampler can look at: the `type` of what is sent to `/druid/indexer/v1/sampler`.

    Returns classes of `nemeton.indexing.sampler.spec.SamplerSpec`.

    Used by: the Overlord that leads, on HTTP threads.

    Example::

        @hookimpl
        def sampler_specs():
            return [lazy("kafka", "acme.kafka:KafkaSamplerSpec")]
    """


@hookspec
def compaction_runners() -> Types:
    """What does the work of a compaction: `compactionRunner.type`.

    Returns classes of `nemeton.indexing.compact.runner.CompactionRunner`.

    Used by: the peons of compaction tasks, and the Overlord where it reads their specifications.

    Example::

        @hookimpl
        def compaction_runners():
            return [lazy("msq", "acme.msq:MsqCompactionRunner")]
    """


@hookspec
def compaction_input_specs() -> Types:
    """Ways to say which segments a compaction takes: `ioConfig.inputSpec.type` of the task `compact`.

    Returns classes of `nemeton.indexing.compact.inputs.CompactionInputSpec`.

    Used by: the Overlord, which asks whether a compaction may begin, and the peons of compaction tasks.

    Example::

        @hookimpl
        def compaction_input_specs():
            return [lazy("tagged", "acme.tags:TaggedSegmentsSpec")]
    """


@hookspec
def input_formats() -> Types:
    """Formats that ingestion can parse: `ioConfig.inputFormat.type`.

    Returns classes of `nemeton.spi.InputFormat`, which turn bytes into Arrow batches.

    Used by: the peons of batch tasks, and the Overlord where it samples and checks specifications.

    Example::

        @hookimpl
        def input_formats():
            return [lazy("logfmt", "acme.logfmt:LogfmtInputFormat")]
    """
