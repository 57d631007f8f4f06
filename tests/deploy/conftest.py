"""Without promtool the tests of the alert rules are left out, without what builds images those of the image; the summary says so."""

import shutil

import pytest

from tests.deploy.image import able

LEFT_OUT = {
    file: sentence
    for file, present, sentence in (
        ("test_alerts.py", shutil.which("promtool") is not None, "the alert rules' own tests: there is no `promtool` on PATH"),
        ("test_image.py", able(), "the tests of the image: they need root, `buildah`, `mmdebstrap` and Debian's keyring"),
    )
    if not present
}
collect_ignore = list(LEFT_OUT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for sentence in LEFT_OUT.values():
        terminalreporter.write_line(f"left out were {sentence}", yellow=True)
