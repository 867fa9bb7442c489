from __future__ import annotations

import warnings

import pytest
import shape_framework as framework

from nemeton.plugins import (
    Deprecation,
    ExtensionError,
    NemetonDeprecationWarning,
    RemovedError,
    load_extensions,
    stability_of,
    stable,
    unstable,
)

OLD_SHAPES = Deprecation("the hook shapes", "figures", warns_in="1.2", errors_in="2.0", removed_in="3.0")


@pytest.mark.parametrize("api", ["1.2", "1.10"])
def test_it_warns_with_the_three_versions(api):
    with pytest.warns(
        NemetonDeprecationWarning, match=r"since API 1\.2, refused from 2\.0 and gone in 3\.0; use figures"
    ):
        OLD_SHAPES.used(api)


def test_it_is_quiet_before_and_refuses_after():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OLD_SHAPES.used("1.1")
    with pytest.raises(RemovedError, match="use figures"):
        OLD_SHAPES.used("2.0")


def test_a_deprecated_hook_is_told_of_by_the_loader(packages, monkeypatch, caplog):
    packages.add_shape("round", "circle")
    monkeypatch.setattr(framework, "DEPRECATED_HOOKS", {"shapes": OLD_SHAPES}, raising=False)
    assert load_extensions({}, (), hookspecs=framework).statuses[0].state == "loaded"
    assert "Extension [round]: the hook shapes is deprecated since API 1.2" in caplog.text


def test_a_hook_that_is_refused_by_now(packages, monkeypatch):
    packages.add_shape("round", "circle")
    gone = Deprecation("the hook shapes", "figures", warns_in="1.0", errors_in="1.3", removed_in="2.0")
    monkeypatch.setattr(framework, "DEPRECATED_HOOKS", {"shapes": gone}, raising=False)
    with pytest.raises(ExtensionError, match=r"\[round\].*the hook shapes is deprecated.*Upgrade acme-round"):
        load_extensions({"druid.extensions.loadList": '["round"]'}, (), hookspecs=framework)


def test_marks_are_not_inherited():
    @stable
    class Firm:
        pass

    class Child(Firm):
        pass

    @unstable
    def loose() -> None:
        pass

    assert [stability_of(thing) for thing in (Firm, Child, loose)] == ["stable", "unstable", "unstable"]
