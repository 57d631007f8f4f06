"""What docs/sandbox.md says is not supported is refused, with a Status whose sentence names it: each row of its table is sent."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from gitops_canary.sandbox.apiserver import ApiServer
from tests.conformance.client import Api
from tests.conformance.conftest import define
from tests.conformance.objects import WIDGETS, config_map, crd, widget

DOCUMENT = Path(__file__).parents[3] / "docs" / "sandbox.md"
_TYPE = b"\x0a\x11storage.k8s.io/v1\x12\x0cStorageClass"
PROTOBUF = b"k8s\x00" + b"\x0a" + bytes([len(_TYPE)]) + _TYPE + b"\x12\x00"


@dataclass(frozen=True)
class Refusal:
    """One row of the table."""

    method: str
    path: str
    content: str
    body: Any
    code: int
    words: tuple[str, ...]


def refusals() -> list[Refusal]:
    section = DOCUMENT.read_text().partition("## What it does not do")[2].partition("\n## ")[0]
    rows = [line.strip("| \n").split(" | ") for line in section.splitlines() if line.startswith("|")][2:]
    return [_refusal(cells[-2].strip("`"), cells[-1]) for cells in rows]


def _refusal(request: str, answer: str) -> Refusal:
    method, path, rest = [*request.split(" ", 2), ""][:3]
    content, body = "application/json", None
    if rest == "PROTOBUF":
        return Refusal(method, path, "application/vnd.kubernetes.protobuf", PROTOBUF, int(answer[:3]), _words(answer))
    if rest.startswith("CRD "):
        body = _definition(json.loads(rest.removeprefix("CRD ")))
    elif rest.startswith("application/"):
        content, _, rest = rest.partition(" ")
    if body is None and rest:
        body = json.loads(rest)
    return Refusal(method, path, content, body, int(answer[:3]), _words(answer))


def _words(answer: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", answer))


def _definition(more: dict[str, Any]) -> dict[str, Any]:
    """A definition of another kind with what the row says: rules stand in its schema, the rest in its spec."""
    doc: dict[str, Any] = json.loads(json.dumps(crd()))
    doc["metadata"]["name"], doc["spec"]["group"] = "widgets.other.example", "other.example"
    schema = doc["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for key, value in more.items():
        (schema if key.startswith("x-") else doc["spec"])[key] = value
    return doc


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    path = tmp_path_factory.mktemp("refusals") / "kubeconfig"
    with ApiServer() as server:
        path.write_bytes(orjson.dumps(server.kubeconfig()))
        client = Api(path, "default", server)
        define(client, crd())
        client.create(WIDGETS, widget("x"))
        client.create("configmaps", config_map("x"))
        yield client
        client.close()


@pytest.mark.parametrize("row", refusals(), ids=lambda row: f"{row.method} {row.path} {' '.join(row.words)}"[:90])
def test_what_is_not_supported_is_refused_by_name(api: Api, row: Refusal) -> None:
    refused = api.request(row.method, row.path, row.body, row.content)
    assert (refused.code, refused.body["kind"]) == (row.code, "Status"), refused.body
    assert row.words
    assert [word for word in row.words if word not in refused.message] == [], refused.message


def test_the_document_has_its_table() -> None:
    assert len(refusals()) >= 15
