"""Who is there, in which role, and who leads."""
