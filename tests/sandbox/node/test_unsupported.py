"""What docs/sandbox.md says that its node does not give is refused by the node, on every control plane; what it gives is done."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.node.world import World

pytestmark = pytest.mark.tools("kubectl")
DOCUMENT = Path(__file__).parents[3] / "docs" / "sandbox.md"


def rows() -> dict[str, tuple[dict[str, Any], str]]:
    """By the path that must be named: what is merged into the pod's spec, or its container's where the cell begins so."""
    section = DOCUMENT.read_text().partition("## What its node does not do")[2].partition("\n## ")[0]
    found = re.findall(r"^\|[^|]*\| `(.*)` \| `([^`]+)` \|$", section, re.M)
    return {path: (json.loads(part), path) for part, path in found}


ROWS = rows()


@pytest.mark.parametrize(("part", "path"), ROWS.values(), ids=ROWS)
def test_what_the_node_cannot_give_is_said_in_the_pods_status(world: World, part: dict[str, Any], path: str) -> None:
    name = "asks-" + re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
    world.run(name, "sleep", "60", **part)
    waiting = "{.status.containerStatuses[0].state.waiting.reason}"
    world.wait(f"pod/{name}", f"jsonpath={waiting}=CreateContainerConfigError")
    told = world.pod(name)["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    assert told.startswith(f"the sandbox's node does not support {path}: "), told
    world.kubectl("delete", "pod", name, "--wait=false")


def test_the_table_names_what_the_node_refuses() -> None:
    assert len(ROWS) >= 25


def test_a_pod_that_selects_what_the_node_is_runs(world: World) -> None:
    world.run("chosen", "true", nodeSelector={"kubernetes.io/os": "linux"})
    world.wait("pod/chosen", "jsonpath={.status.phase}=Succeeded")


def test_hooks_run_after_the_start_and_before_the_end(world: World, tmp_path: Path) -> None:
    touch = {word: {"exec": {"command": ["touch", f"{tmp_path}/{word}"]}} for word in ("started", "stopped")}
    hooks = {"postStart": touch["started"], "preStop": touch["stopped"]}
    probe = {"exec": {"command": ["test", "-e", f"{tmp_path}/started"]}}
    world.run("hooked", "sleep", "60", container={"lifecycle": hooks, "readinessProbe": probe})
    world.wait("pod/hooked", "condition=Ready")
    assert not (tmp_path / "stopped").exists()
    world.kubectl("delete", "pod", "hooked", "--grace-period=10")
    assert (tmp_path / "stopped").exists()


def test_a_container_whose_start_hook_fails_is_ended(world: World) -> None:
    world.run("unhooked", "sleep", "60", container={"lifecycle": {"postStart": {"exec": {"command": ["false"]}}}})
    world.wait("pod/unhooked", "jsonpath={.status.phase}=Failed")
