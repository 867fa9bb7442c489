"""Audit information of HTTP requests, and the answers to requests for audit history."""

from __future__ import annotations

from typing import Any

from nemeton.common.errors import DruidException
from nemeton.metadata.audit import AuditInfo, AuditManager
from nemeton.spi.http import Request, Response
from nemeton.time import Interval


def audit_info(request: Request) -> AuditInfo:
    """Who asked, and why, from the request's headers."""
    return AuditInfo(
        author=request.headers.get("x-druid-author", ""),
        identity=request.authenticated.identity or "",
        comment=request.headers.get("x-druid-comment", ""),
        ip=request.client or "",
    )


def history_answer(request: Request, audit: AuditManager, type_: str, key: str | None = None) -> Any:
    """Changes within ``interval`` (``start/end``), or the last ``count``, or those of the last week."""
    interval, count = request.query("interval"), request.query("count")
    try:
        limit = None if count is None else int(count)
    except ValueError:
        return Response(404)  # what JAX-RS makes of a parameter that is no number
    if interval is not None:
        return audit.history(type_, key=key, interval=Interval.parse(interval))
    try:
        return audit.history(type_, key=key, limit=limit)
    except DruidException as failure:
        if failure.category != "INVALID_INPUT":
            raise
        return Response(400, json={"error": failure.message})
