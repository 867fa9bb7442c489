"""All that is deprecated in the SPI, in one place, each with its three versions.

To rename or remove a name of `nemeton.spi`, take it out of its module, and add it here: asking for it then gives the
new thing with a warning, and later an error that says what to use.
"""

from __future__ import annotations

from nemeton.plugins.stability import Deprecation

RENAMED: dict[str, tuple[str, Deprecation]] = {}
"""Old name of `nemeton.spi` → (new name, its deprecation). Empty while the API is at its first version."""

HOOKS: dict[str, Deprecation] = {}
"""Hook name → its deprecation; the loader tells of each extension that implements one."""
