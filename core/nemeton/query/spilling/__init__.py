"""Groups beyond the memory that a query may use: sorted runs on disk, and their merge block by block."""
