"""docs/install.md names values, files and objects that exist, and each of its commands runs and prints what it says."""

import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.manifests import CHART
from tests.deploy.pages import INSTALL as PAGE
from tests.deploy.pages import ROOT, of_section, reader
from tests.guide.blocks import steps

WAYS = {"with Helm": (0, 1, 3), "with kustomize": (0, 2, 3)}
"""Which blocks of "Removing" are for whom."""


def test_every_value_on_the_page_is_one_of_the_charts() -> None:
    named = set(re.findall(r"--set ([\w.]+)=", PAGE)) | set(re.findall(r"`([\w.]+)=true`", PAGE))
    table = PAGE[PAGE.index("| value |") : PAGE.index("## With kustomize")]
    named |= {value for row in table.splitlines()[2:] if row for value in re.findall(r"`([\w.]+)`", row.split("|")[1])}
    assert len(named) > 30
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for name in named:
        found = values
        for key in name.split("."):
            assert key in found, name
            found = found[key]


def test_every_file_on_the_page_exists() -> None:
    named = set(re.findall(r"\b((?:deploy|repo-template)/[\w./-]*[\w/])", PAGE)) - {"deploy/grafana/"}
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_page_and_the_operators_own_words_name_one_command() -> None:
    from gitops_canary.managers.definition import COMMAND

    assert COMMAND in PAGE
    assert COMMAND in (ROOT / "docs" / "migrate.md").read_text()


def _left(kubectl: str) -> str:
    """What an install may not leave behind, wherever it stood."""
    return f"{kubectl} get clusterrole,clusterrolebinding,role,rolebinding,deployment -A -l app.kubernetes.io/name=gitops-canary -o name"


@pytest.mark.control_plane
@pytest.mark.parametrize("control_plane", ["sandbox", "real"])
def test_every_command_of_the_page_does_what_the_page_says(control_plane: str, tmp_path: Path) -> None:
    """Three installs, one after the other, each removed as the page says, so that the next one finds nothing of it."""
    removing = of_section(PAGE, "## Removing")
    whole = [step for heading in ("## With Helm", "## Secrets", "## Webhooks", "## Upgrading") for step in of_section(PAGE, heading)]
    stories = [
        (whole, "with Helm"),
        (of_section(PAGE, "## With kustomize"), "with kustomize"),
        (of_section(PAGE, "### One namespace only"), "with kustomize"),
    ]
    assert sum(len(story) for story, _ in stories) + len(removing) == len(list(steps(PAGE)))
    with reader(tmp_path, control_plane, "install.md") as person:
        for story, way in stories:
            person.follow(iter([*story, *(removing[number] for number in WAYS[way])]))
            assert person.run(_left("kubectl")) == []


def test_a_section_ends_where_the_next_heading_stands() -> None:
    assert [step.commands.split()[0] for step in of_section(PAGE, "## Secrets")] == ["kubectl"]
    assert PAGE.splitlines()[of_section(PAGE, "## Upgrading")[0].line - 1].startswith("kubectl apply --server-side")
