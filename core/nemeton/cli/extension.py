"""Core's own commands, through the same hook as those of extensions."""

from __future__ import annotations

from collections.abc import Sequence

from nemeton.plugins import hookimpl
from nemeton.spi.cli import CliCommand


@hookimpl
def cli_commands() -> Sequence[CliCommand]:
    """The commands that come with nemeton."""
    return [
        CliCommand(
            "quickstart", "nemeton.cli.quickstart:quickstart", "Start everything in one process, with sample data."
        ),
        CliCommand("server", "nemeton.cli.server:server", "Run one or more roles from a configuration."),
        CliCommand("internal peon", "nemeton.cli.internal:peon", "Run one task; what a worker starts."),
        CliCommand("tools dump-segment", "nemeton.cli.dump_segment:dump_segment", "Print the rows of a segment."),
        CliCommand(
            "tools insert-segments", "nemeton.cli.insert_segments:insert_segments", "Register segments where they lie."
        ),
        CliCommand(
            "tools metadata-init", "nemeton.cli.metadata_init:metadata_init", "Make the tables of the metadata store."
        ),
        CliCommand("tools validate-config", "nemeton.cli.validate_config:validate_config", "Check a configuration."),
        CliCommand("extensions list", "nemeton.cli.extensions:list_extensions", "Show the installed extensions."),
        CliCommand("extensions doctor", "nemeton.cli.extensions:doctor", "Say what is wrong with extensions."),
        CliCommand("extensions new", "nemeton.cli.extensions:new", "Make the package of a new extension."),
        CliCommand("version", "nemeton.cli.version:version", "Print the version."),
    ]
