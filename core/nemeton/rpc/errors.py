"""Why a call to another service failed."""

from __future__ import annotations

from collections.abc import Sequence

from nemeton.common.errors import DruidException
from nemeton.http.client import HttpResponse


class RpcError(DruidException):
    """The service gave no usable answer in time: none was found, reached, or free."""

    def __init__(self, service: str, what: str, tried: Sequence[str], cause: str, waited_s: float) -> None:
        hosts = ", ".join(dict.fromkeys(tried)) or "none was known"
        super().__init__(
            f"Service [{service}] did not answer {what} within {waited_s:.1f} s (tried: {hosts}); last: {cause}",
            error_code="serviceNotAvailable",
            category="RUNTIME_FAILURE",
            persona="OPERATOR",
            context={"service": service},
        )
        self.service = service
        self.tried = tuple(tried)
        self.cause = cause


class HttpResponseError(DruidException):
    """The service answered with an error that another try would not change."""

    def __init__(self, service: str, what: str, response: HttpResponse) -> None:
        shown = response.text.strip()[:500]
        super().__init__(
            f"Service [{service}] answered {what} with status {response.status}: {shown or '(empty)'}",
            error_code="httpError",
            category="NOT_FOUND" if response.status == 404 else "RUNTIME_FAILURE",
            persona="OPERATOR",
            context={"service": service, "url": response.url},
        )
        self.service = service
        self.response = response
        self.status = response.status
