from __future__ import annotations

import pytest
import sqlalchemy

from nemeton.common.errors import DruidException
from nemeton_postgresql_metadata_storage.uris import make_url


def parts(uri, user="u", password="p:/@", **more):
    """The URL read back from its text, as the engine gets it, without the parameters that it always has."""
    url = sqlalchemy.make_url(make_url(uri, user, password, more).render_as_string(hide_password=False))
    query = dict(url.query)
    assert query.pop("connect_timeout") == "10"
    assert query.pop("application_name") == "nemeton"
    return (url.drivername, url.username, url.password, url.host, url.port, url.database, query)


D = "postgresql+psycopg"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("jdbc:postgresql://h:5433/druid", (D, "u", "p:/@", "h", 5433, "druid", {})),
        ("jdbc:postgresql://h/druid?user=a&password=b%26", (D, "a", "b&", "h", None, "druid", {})),
        ("jdbc:postgresql:druid", (D, "u", "p:/@", "localhost", None, "druid", {})),
        ("jdbc:postgresql://[::1]:5433/my%20db", (D, "u", "p:/@", "::1", 5433, "my db", {})),
        ("jdbc:postgresql://h/", (D, "u", "p:/@", "h", None, None, {})),
        (
            "jdbc:postgresql://a:1,b:2/druid?targetServerType=primary",
            (D, "u", "p:/@", None, None, "druid", {"host": ("a:1", "b:2"), "target_session_attrs": "primary"}),
        ),
        ("jdbc:postgresql://h/d?ssl=true", (D, "u", "p:/@", "h", None, "d", {"sslmode": "verify-full"})),
        ("jdbc:postgresql://h/d?ssl=true&sslmode=require", (D, "u", "p:/@", "h", None, "d", {"sslmode": "require"})),
        ("jdbc:postgresql://h/d?currentSchema=s", (D, "u", "p:/@", "h", None, "d", {"options": "-c search_path=s"})),
        ("jdbc:postgresql://h/d?socketTimeout=7", (D, "u", "p:/@", "h", None, "d", {"socketTimeout": "7"})),
        ("postgresql://h/druid", (D, "u", "p:/@", "h", None, "druid", {})),
        (f"{D}://a:b@h:1/druid?sslmode=prefer", (D, "a", "b", "h", 1, "druid", {"sslmode": "prefer"})),
    ],
)
def test_both_spellings(uri, expected):
    assert parts(uri) == expected


def test_what_the_uri_says_comes_before_the_properties():
    assert parts("jdbc:postgresql://h/d?sslmode=require", sslmode="verify-full", sslcert="c")[-1] == {
        "sslmode": "require",
        "sslcert": "c",
    }


def test_parameters_that_only_the_java_driver_has_are_told_of(caplog):
    assert parts("jdbc:postgresql://h/d?prepareThreshold=0&password=geheim")[-1] == {}
    assert "[prepareThreshold]" in caplog.text
    assert "geheim" not in caplog.text


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "jdbc:mysql://u:geheim@h/d?password=geheim",
        "sqlite:///x.db",
        "postgresql+psycopg2://h/d",
        "jdbc:postgresql://h:port/d?password=geheim",
        "postgresql://u:geheim@h:port/d",
    ],
)
def test_other_uris_are_refused_without_showing_secrets(uri):
    with pytest.raises(DruidException, match=r"jdbc:postgresql://host") as caught:
        make_url(uri, None, None, {})
    assert "geheim" not in str(caught.value)
