"""Commands of the ``nemeton`` program."""

from __future__ import annotations

from attrs import frozen


@frozen
class CliCommand:
    """One command, given by name so that it is imported only when it is run.

    ``path`` is what the user types after ``nemeton``: ``"server"`` or, inside a group, ``"tools dump-segment"``;
    ``target`` is ``"package.module:click_command"``; ``help`` is its line in ``--help``.
    """

    path: str
    target: str
    help: str
