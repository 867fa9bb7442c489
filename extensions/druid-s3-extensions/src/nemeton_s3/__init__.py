"""The extension ``druid-s3-extensions``: deep storage ``s3``, task logs ``s3`` and the input source ``s3``.

Loading it does not import boto3; that happens with the first request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.spi import hookimpl, lazy

if TYPE_CHECKING:
    from nemeton.plugins import LazyType
    from nemeton.spi import Module

NEMETON_API = ">=1.0,<2"


@hookimpl
def deep_storages() -> list[type | LazyType]:
    """``druid.storage.type=s3``; its load specs say ``s3_zip``."""
    return [lazy("s3", "nemeton_s3.storage:S3DeepStorage", "s3_zip")]


@hookimpl
def task_logs() -> list[type | LazyType]:
    """``druid.indexer.logs.type=s3``."""
    return [lazy("s3", "nemeton_s3.storage:S3TaskLogs")]


@hookimpl
def input_sources() -> list[type | LazyType]:
    """The input source ``s3``."""
    return [lazy("s3", "nemeton_s3.input_source:S3InputSource")]


@hookimpl
def druid_modules() -> list[type[Module]]:
    """``druid.s3.*``, ``druid.storage.*`` and ``druid.indexer.logs.*``."""
    from nemeton_s3.module import S3Module

    return [S3Module]
