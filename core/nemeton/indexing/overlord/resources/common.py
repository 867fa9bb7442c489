"""What several resources need."""

from __future__ import annotations

from nemeton.metadata.audit import RequestInfo
from nemeton.spi.http import Request, Response


def request_info(request: Request, service: str) -> RequestInfo:
    """The request, for the audit."""
    return RequestInfo(
        service=service, method=request.method, uri=request.path, query_params=request.query_string or None
    )


def text(status: int, message: str, media_type: str = "text/plain") -> Response:
    """A plain text answer."""
    return Response(status, body=message, media_type=media_type)


def error(status: int, message: str) -> Response:
    """An answer ``{"error": message}``."""
    return Response(status, json={"error": message})
