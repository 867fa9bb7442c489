"""Columns computed, and rows dropped, while the input is read."""

from __future__ import annotations

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.spi.query import DimFilter


@frozen(kw_only=True)
class ExpressionTransform:
    """A column computed from the input's columns (and ``__time``); it hides one of the same name."""

    name: str
    expression: str
    type: str = "expression"

    def __attrs_post_init__(self) -> None:
        if self.type != "expression":
            raise invalid_input(f"transforms: unknown type[{self.type}], known is [expression]")


@frozen(kw_only=True)
class TransformSpec:
    """``filter`` sees the transformed rows; a transform sees only the input's columns, never another transform's."""

    filter: DimFilter | None = None
    transforms: tuple[ExpressionTransform, ...] = field(default=(), converter=tuple)

    def __attrs_post_init__(self) -> None:
        names = [transform.name for transform in self.transforms]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise invalid_input(f"Transform name {duplicates} cannot be used twice (transformSpec)")

    @property
    def is_empty(self) -> bool:
        """Whether it does nothing."""
        return self.filter is None and not self.transforms
