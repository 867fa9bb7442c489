"""From batches of rows to segments: runs in memory or on disk, one sort per segment, columns written one at a time."""
