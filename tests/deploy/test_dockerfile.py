"""The image's recipe agrees with what the manifests ask of it; nothing here builds images."""

import json
import re

from tests.deploy.manifests import DEPLOY, built, by_name

STAGE = (DEPLOY / "docker" / "Dockerfile").read_text().rpartition("\nFROM ")[2]


def test_the_image_runs_as_the_user_of_the_manifests_who_has_a_name() -> None:
    """ssh refuses to work for a user without an entry in /etc/passwd."""
    pod = by_name(built("cluster-wide"))["Deployment/gitops-canary/gitops-canary"]["spec"]["template"]["spec"]["securityContext"]
    assert re.findall(r"^USER (.*)$", STAGE, re.M) == [f"{pod['runAsUser']}:{pod['runAsGroup']}"]
    assert f":x:{pod['runAsUser']}:{pod['runAsGroup']}::/tmp:" in STAGE


def test_pid_1_reaps_and_the_arguments_of_the_manifests_follow_it() -> None:
    entry = json.loads(re.findall(r"^ENTRYPOINT (.*)$", STAGE, re.M)[0])
    assert entry == ["/usr/bin/tini", "--", "gitops-canary"]
    container = by_name(built("cluster-wide"))["Deployment/gitops-canary/gitops-canary"]["spec"]["template"]["spec"]["containers"][0]
    assert "command" not in container
    assert container["args"][0] == "run"


def test_the_image_has_what_the_operator_calls_and_no_builder() -> None:
    installed = re.findall(r"--no-install-recommends (.*) \\", STAGE)[0].split()
    assert installed == ["git", "openssh-client", "tini", "ca-certificates"]
    assert "uv" not in STAGE.partition("COPY --from=build")[2]
