"""How many queries run at a time, in which lanes, and which go first."""
