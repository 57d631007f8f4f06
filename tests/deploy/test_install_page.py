"""docs/install.md names values, files and objects that exist."""

import re

import yaml

from tests.deploy.manifests import CHART, DEPLOY

ROOT = DEPLOY.parent
PAGE = (ROOT / "docs" / "install.md").read_text()


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
