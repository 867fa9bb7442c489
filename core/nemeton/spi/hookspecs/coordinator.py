"""Hooks of the Coordinator: rules and duties."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from nemeton.plugins import hookspec
from nemeton.spi.hookspecs.types import Types


@hookspec
def load_rules() -> Types:
    """Load and drop rules: the `type` of a rule of `/druid/coordinator/v1/rules`.

    Returns classes of `nemeton.spi.Rule`.

    Used by: the leading Coordinator, on its duty thread, for each segment of each run: keep it quick.

    Example::

        @hookimpl
        def load_rules():
            return [lazy("loadBusinessDays", "acme.rules:LoadBusinessDays")]
    """


@hookspec
def coordinator_duties() -> Types:
    """Work that the Coordinator does in each run: custom duty groups.

    Returns classes of `nemeton.spi.CoordinatorDuty`.

    Used by: the leading Coordinator, on the thread of the duty's group, over one immutable snapshot of the cluster.

    Example::

        @hookimpl
        def coordinator_duties():
            return [lazy("acmeTidy", "acme.duties:TidyDuty")]
    """
