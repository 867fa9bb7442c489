"""Task types of core that are not ingestion: noop, kill, move, archive, restore."""
