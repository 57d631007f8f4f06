"""Every case of the API and tools suite sees a defect: the sandbox gets one planted for each case, and the case must fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.planting import table

# A case that is left out for want of a tool sees no defect.
pytestmark = pytest.mark.tools("kubectl", "helm")
HERE = Path(__file__).parent
SUITE = [
    *sorted(HERE.glob("test_api_*.py")),
    HERE / "test_controllers.py",
    HERE / "test_controller_events.py",
    HERE / "test_autoscalers.py",
    HERE / "test_tools.py",
    HERE / "test_helm.py",
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Each case of the suite on the sandbox: the defect it met, and whether it failed."""
    path = tmp_path_factory.mktemp("planted") / "cases.json"
    options = [
        "-p",
        "tests.conformance.planting",
        "--planted",
        str(path),
        "-p",
        "no:cacheprovider",
        "-m",
        "not control_plane",
        "--tb=no",
        "-n0",
    ]
    command = [sys.executable, "-m", "pytest", *options, *map(str, SUITE)]
    ran = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=540, check=False)
    assert path.exists(), ran.stdout + ran.stderr
    cases: dict[str, dict[str, object]] = json.loads(path.read_text())
    return cases


def test_every_case_has_a_defect_that_it_must_see(planted: dict[str, dict[str, object]]) -> None:
    assert [case for case, entry in planted.items() if not entry["defect"]] == []
    assert len(planted) >= 150


def test_every_case_fails_on_a_server_with_its_defect(planted: dict[str, dict[str, object]]) -> None:
    assert [f"{case}: {entry['defect']}" for case, entry in planted.items() if not entry["failed"]] == []


def test_every_defect_is_seen_by_a_case(planted: dict[str, dict[str, object]]) -> None:
    seen = {entry["defect"] for entry in planted.values() if entry["failed"]}
    assert [defect.says for defect in table() if defect.says not in seen] == []
