"""Compaction: the segments of an interval read and written anew."""
