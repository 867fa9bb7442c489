"""What all tests of the repository share: the servers."""

pytest_plugins = ["tests.servers.fixtures"]
