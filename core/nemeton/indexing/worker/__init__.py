"""Running tasks: the forking runner, the warm template, the peon."""
