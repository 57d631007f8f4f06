"""Secrets of the cluster, or of a folder, as the git and registry adapters ask for them; what they hold is those adapters' business."""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.ports import Cluster

LABELS = {"app.kubernetes.io/name": "gitops-canary"}


def secret_data(doc: Mapping[str, object]) -> dict[str, bytes]:
    """A Secret's data, decoded. UserError names the Secret, never a value."""
    meta = doc.get("metadata")
    name = meta.get("name") if isinstance(meta, Mapping) else "?"
    data = doc.get("data")
    try:
        return {str(key): base64.b64decode(str(value)) for key, value in (data.items() if isinstance(data, Mapping) else ())}
    except binascii.Error as error:
        raise UserError(f"cannot read Secret {name}: its data is not base64") from error


class SecretKeyStore:
    """The deploy key in a Secret of the operator's namespace."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster = cluster
        self._ref = Ref("v1", "Secret", namespace, name)
        self._seen: Doc | None = None

    def get(self) -> Mapping[str, bytes] | None:
        self._seen = self._cluster.live(self._ref)
        return None if self._seen is None else secret_data(self._seen)

    def put(self, data: Mapping[str, bytes]) -> None:
        """Conflict when somebody else wrote the Secret since `get`."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        if self._seen is not None:
            version = str(self._seen["metadata"].get("resourceVersion", ""))
            self._cluster.patch(self._ref, {"data": encoded}, resource_version=version)
            return
        meta = {"name": self._ref.name, "namespace": self._ref.namespace, "labels": dict(LABELS)}
        self._cluster.apply({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": meta, "data": encoded}, create_only=True)


class FolderKeyStore:
    """The deploy key in two files of a folder, for an operator without a cluster of its own (tests, `identity --dir`)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self) -> Mapping[str, bytes] | None:
        if not self._folder.is_dir():
            return None
        return {path.name: path.read_bytes() for path in self._folder.iterdir() if path.name in ("identity", "identity.pub")}

    def put(self, data: Mapping[str, bytes]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, value in data.items():
            descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(value)
