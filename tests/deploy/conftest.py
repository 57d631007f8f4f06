"""Without promtool the tests of the alert rules are left out, without what builds images those of the image; the summary says so."""

import shutil
from collections.abc import Callable

import pytest

from tests.deploy.image import able
from tests.fixtures_servers import leave_out


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    needs: tuple[tuple[str, Callable[[], bool], str], ...] = (
        ("test_alerts.py", lambda: shutil.which("promtool") is not None, "of the alert rules: there is no `promtool` on PATH"),
        ("test_image.py", able, "of the image: they need root, `buildah`, `mmdebstrap` and Debian's keyring"),
    )
    for file, present, sentence in needs:
        chosen = [item for item in items if item.path.name == file and item.path.parent.name == "deploy"]
        if chosen and not present():
            leave_out(config, items, chosen, sentence)
