from __future__ import annotations

import pytest

from nemeton.common import errors
from nemeton.common.errors import DruidException, QueryException


@pytest.mark.parametrize(
    ("make", "category", "status"),
    [
        (errors.invalid_input, "INVALID_INPUT", 400),
        (errors.not_found, "NOT_FOUND", 404),
        (errors.forbidden, "FORBIDDEN", 403),
        (errors.unauthorized, "UNAUTHORIZED", 401),
        (errors.unsupported, "UNSUPPORTED", 501),
        (errors.timeout, "TIMEOUT", 504),
        (errors.capacity_exceeded, "CAPACITY_EXCEEDED", 429),
        (errors.canceled, "CANCELED", 499),
        (errors.defensive, "DEFENSIVE", 500),
        (errors.runtime_failure, "RUNTIME_FAILURE", 500),
    ],
)
def test_each_kind_has_its_category_and_status(make, category, status):
    failure = make("it broke", field="x")
    assert (failure.category, failure.http_status, failure.context) == (category, status, {"field": "x"})
    assert str(failure) == "it broke"


def test_the_body_is_druids():
    assert errors.invalid_input("Invalid limit[-1] specified. Limit must be > 0.").to_json() == {
        "error": "druidException",
        "errorCode": "invalidInput",
        "persona": "USER",
        "category": "INVALID_INPUT",
        "errorMessage": "Invalid limit[-1] specified. Limit must be > 0.",
        "context": {},
    }


def test_a_query_that_failed_has_the_older_shape():
    failure = QueryException(QueryException.TIMEOUT, "too slow", error_class="a.B", host="h:1")
    assert failure.http_status == 504
    assert failure.to_json() == {
        "error": "Query timeout",
        "errorClass": "a.B",
        "host": "h:1",
        "errorCode": "legacyQueryException",
        "persona": "OPERATOR",
        "category": "TIMEOUT",
        "errorMessage": "too slow",
        "context": {"host": "h:1", "errorClass": "a.B", "legacyErrorCode": "Query timeout"},
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (QueryException.CANCELLED, 500),
        (QueryException.RESOURCE_LIMIT, 400),
        (QueryException.CAPACITY, 429),
        (QueryException.UNSUPPORTED, 500),
        (QueryException.UNKNOWN, 500),
        ("something new", 500),
    ],
)
def test_the_status_of_a_failed_query(error, status):
    assert QueryException(error, None).http_status == status


def test_a_factory_only_makes_the_error():
    assert isinstance(errors.not_found("x"), DruidException)
