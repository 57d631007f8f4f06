"""The chart repository over HTTP."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import urllib3
from ruamel.yaml import YAML

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.charts import ChartServer, pack


def chart(folder: Path) -> Path:
    made = folder / "podinfo"
    (made / "templates").mkdir(parents=True)
    (made / "Chart.yaml").write_text("apiVersion: v1\nname: podinfo\nversion: 3.1.0\n")
    (made / "templates" / "service.yaml").write_text("kind: Service\n")
    return made


def test_a_chart_is_listed_and_served_as_its_digest_says(tmp_path: Path) -> None:
    chart(tmp_path)
    with urllib3.PoolManager() as http:
        server = ChartServer(lambda: [tmp_path / "podinfo"])
        server.start()
        index = YAML(typ="safe").load(http.request("GET", f"{server.url}/index.yaml").data)
        row = index["entries"]["podinfo"][0]
        archive = http.request("GET", f"{server.url}/{row['urls'][0]}").data
        missing = http.request("GET", f"{server.url}/none-1.tgz").status
        server.stop()
    assert (row["version"], row["digest"], missing) == ("3.1.0", hashlib.sha256(archive).hexdigest(), 404)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        assert files.getnames() == ["podinfo/Chart.yaml", "podinfo/templates/service.yaml"]


def test_a_chart_without_a_version_is_named(tmp_path: Path) -> None:
    made = chart(tmp_path)
    (made / "Chart.yaml").write_text("name: podinfo\n")
    with pytest.raises(UserError, match="no version"):
        pack(made)
