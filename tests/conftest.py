"""Fixtures of every test folder; what only one folder needs stands in that folder's conftest."""

pytest_plugins = ["tests.fixtures_servers", "tests.fixtures_control_plane", "tests.fixtures_sshd", "tests.fixtures_alone"]
