"""The lookups that a node had, in a file: what it starts with when there is no Coordinator to ask."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nemeton.common.files import write_atomically
from nemeton.json import Json
from nemeton.lookups.state import LookupExtractorFactoryContainer

log = logging.getLogger(__name__)

Specifications = dict[str, Any]


class LookupSnapshotTaker:
    """Keeps ``{tier}.lookupSnapshot.json`` in a folder, in Druid's form. One thread at a time writes.

    The file holds passwords where lookups do, so it is for its owner only.
    """

    def __init__(self, folder: Path, json: Json) -> None:
        self._folder = folder
        self._json = json

    def file(self, tier: str) -> Path:
        """Where the lookups of a tier are kept."""
        return self._folder / f"{quote(tier, safe=' ')}.lookupSnapshot.json"

    def pull_existing_snapshot(self, tier: str) -> Specifications:
        """The kept lookups by name, not read any further; none when there is no file, or none that can be read."""
        file = self.file(tier)
        try:
            if not file.is_file() or not file.stat().st_size:
                log.warning("There is no snapshot of lookups at [%s]", file)
                return {}
            return {bean["name"]: _specification(bean) for bean in self._json.loads(file.read_bytes(), list[Any])}
        except Exception:
            log.exception("The snapshot of lookups [%s] cannot be read", file)
            return {}

    def take_snapshot(self, tier: str, lookups: Mapping[str, LookupExtractorFactoryContainer]) -> None:
        """Keep these lookups, at once or not at all. A failure is logged: the next change tries again."""
        beans = [
            {"name": name, "container": container, "factory": container.lookup_extractor_factory}
            for name, container in lookups.items()
        ]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.file(tier), self._json.dumps(beans), mode=0o600)
        except OSError:
            log.exception("The snapshot of lookups [%s] cannot be written", self.file(tier))


def _specification(bean: Mapping[str, Any]) -> Any:
    container = bean.get("container")
    return container if container is not None else {"version": None, "lookupExtractorFactory": bean.get("factory")}
