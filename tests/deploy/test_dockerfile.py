"""The image's recipe agrees with what the manifests ask of it; test_image.py builds it."""

import json
import re

from tests.deploy.manifests import DEPLOY, built, by_name

RECIPE = (DEPLOY / "docker" / "Dockerfile").read_text()
BASE, STAGE = RECIPE.partition("\nFROM base AS build")[0], RECIPE.rpartition("\nFROM base\n")[2]


def test_the_image_runs_as_the_user_of_the_manifests_who_has_a_name() -> None:
    """ssh refuses to work for a user without an entry in /etc/passwd."""
    pod = by_name(built("cluster-wide"))["Deployment/gitops-canary/gitops-canary"]["spec"]["template"]["spec"]["securityContext"]
    assert re.findall(r"^USER (.*)$", STAGE, re.M) == [f"{pod['runAsUser']}:{pod['runAsGroup']}"]
    assert f":x:{pod['runAsUser']}:{pod['runAsGroup']}::/tmp:" in BASE


def test_pid_1_reaps_and_the_arguments_of_the_manifests_follow_it() -> None:
    entry = json.loads(re.findall(r"^ENTRYPOINT (.*)$", STAGE, re.M)[0])
    assert entry == ["/usr/bin/tini", "--", "gitops-canary"]
    container = by_name(built("cluster-wide"))["Deployment/gitops-canary/gitops-canary"]["spec"]["template"]["spec"]["containers"][0]
    assert "command" not in container
    assert container["args"][0] == "run"


def test_the_image_has_what_the_operator_calls_and_the_last_stage_installs_nothing() -> None:
    assert re.findall(r"--no-install-recommends (.*) \\", BASE)[0].split() == [
        "python3",
        "git",
        "openssh-client",
        "tini",
        "ca-certificates",
    ]
    assert not re.findall(r"^(?:RUN|ADD|ARG)\b", STAGE, re.M)


def test_the_build_sees_what_the_wheel_is_made_of_and_nothing_else() -> None:
    """A list of what is let in: a key or a kubeconfig that lies about in a work tree reaches no layer."""
    lines = [line for line in (DEPLOY.parent / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {
        "gitops_canary",
        "repo-template",
        "deploy",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    }
