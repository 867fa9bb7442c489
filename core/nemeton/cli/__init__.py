"""The ``nemeton`` program."""
