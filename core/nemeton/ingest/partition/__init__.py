"""Which rows of an interval go to the same segment, by their values: by hash, or by range."""
