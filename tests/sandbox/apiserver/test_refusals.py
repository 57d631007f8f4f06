"""What docs/sandbox.md says is not supported is refused, with a Status whose sentence names it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gitops_canary.sandbox.apiserver import ApiServer
from tests.conformance.client import Api

_TYPE = b"\x0a\x11storage.k8s.io/v1\x12\x0cStorageClass"
PROTOBUF = b"k8s\x00" + b"\x0a" + bytes([len(_TYPE)]) + _TYPE + b"\x12\x00"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    path = tmp_path_factory.mktemp("refusals") / "kubeconfig"
    with ApiServer() as server:
        path.write_bytes(orjson.dumps(server.kubeconfig()))
        client = Api(path, "default", server)
        yield client
        client.close()


SPACE = "api/v1/namespaces/default"
CASES: dict[str, tuple[str, str, Any, str, int, str]] = {
    "another kind": ("GET", "apis/discovery.k8s.io/v1/endpointslices", None, "application/json", 404, "discovery.k8s.io"),
    "a protobuf StorageClass": (
        "POST",
        "apis/storage.k8s.io/v1/storageclasses",
        PROTOBUF,
        "application/vnd.kubernetes.protobuf",
        415,
        "storage.k8s.io/v1 StorageClass are not supported here",
    ),
    "attach": ("POST", f"{SPACE}/pods/p/attach", None, "application/json", 404, "pods/p/attach"),
    "port-forward": ("POST", f"{SPACE}/pods/p/portforward", None, "application/json", 404, "pods/p/portforward"),
    "proxy": ("GET", f"{SPACE}/services/s/proxy", None, "application/json", 404, "services/s/proxy"),
    "an unread query": ("GET", f"{SPACE}/pods?odd=1", None, "application/json", 400, "'odd'"),
    "an odd patch type": ("PATCH", f"{SPACE}/configmaps/x", {}, "application/odd+json", 415, "application/merge-patch+json"),
    "an odd field": ("GET", f"{SPACE}/pods?fieldSelector=spec.odd%3D1", None, "application/json", 400, "spec.odd"),
    "a method": ("OPTIONS", f"{SPACE}/pods", None, "application/json", 405, "OPTIONS"),
}


@pytest.mark.parametrize(("method", "path", "body", "content", "code", "told"), CASES.values(), ids=CASES)
def test_what_is_not_supported_is_refused_by_name(api: Api, method: str, path: str, body: Any, content: str, code: int, told: str) -> None:
    if method == "PATCH":
        api.create("configmaps", {"metadata": {"name": "x"}})
    refused = api.request(method, path, body, content)
    assert (refused.code, refused.body["kind"]) == (code, "Status"), refused.body
    assert told in refused.message


def test_the_document_lists_what_is_refused() -> None:
    text = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()
    for word in ("EndpointSlice", "Protobuf", "`attach`", "Query parameters", "Patch types", "Field selectors", "OPTIONS"):
        assert word in text
