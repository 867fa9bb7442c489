"""Failures as answers, in the shapes that Druid gives them (docs/http.md lists them)."""

from __future__ import annotations

import logging

from nemeton.common.errors import DruidException, runtime_failure
from nemeton.spi.http import JSON, MalformedBodyError, Response, UnsupportedMediaTypeError

log = logging.getLogger(__name__)


def error_response(failure: BaseException, *, what: str, detailed: bool = True) -> Response:
    """The answer for what a handler raised. What nobody foresaw is logged with its trace, `what` being the request."""
    if isinstance(failure, UnsupportedMediaTypeError):
        return Response(415)
    if isinstance(failure, MalformedBodyError):
        return _malformed(failure)
    if isinstance(failure, DruidException):
        return druid_error(failure)
    log.error("%s failed", what, exc_info=failure)
    message = (
        f"{type(failure).__name__}: {failure}" if detailed else "Internal server error; see the log of the service"
    )
    return druid_error(runtime_failure(message))


def _malformed(failure: MalformedBodyError) -> Response:
    if failure.syntax:
        # Druid answers 500 with Jetty's HTML; the status is kept, the body is for programs
        return Response(500, json=failure.to_json(), media_type=JSON)
    return Response(400, json={"error": failure.message}, media_type=JSON)


def druid_error(failure: DruidException, status: int | None = None) -> Response:
    """A DruidException as an answer, with its own status or the given one."""
    if failure.category == "FORBIDDEN":
        return Response(403, json={"Access-Check-Result": failure.message}, media_type=JSON)
    return Response(status or failure.http_status, json=failure.to_json(), media_type=JSON)
