"""Keeps the sync inventory in ConfigMaps through the Cluster port; its text form is the domain's."""

from gitops_canary.domain.inventory import decode, encode
from gitops_canary.domain.resources import Ref
from gitops_canary.domain.sync import Inventory
from gitops_canary.ports import Cluster

PREFIX = "gitops-canary-inventory-"
LABELS = {"app.kubernetes.io/managed-by": "gitops-canary", "gitops-canary.dev/inventory": "sync"}


class InventoryStore:
    """Reads once, then writes through; a shard that did not change is not written."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._written: list[dict[str, str]] | None = None

    def load(self) -> Inventory:
        if self._written is None:
            self._written = []
            while (found := self._cluster.live(self._ref(len(self._written)))) is not None:
                self._written.append({str(key): str(value) for key, value in (found.get("data") or {}).items()})
        return decode(self._written)

    def save(self, inventory: Inventory) -> None:
        """Writes the shards that changed; a shard is added before and removed after the others are right, so nothing is ever forgotten."""
        before = self._written if self._written is not None else []
        shards = encode(inventory)
        for number in reversed(range(len(shards))):
            if number >= len(before) or before[number] != shards[number]:
                self._cluster.apply(self._object(number, shards[number]))
        for number in reversed(range(len(shards), len(before))):
            self._cluster.delete(self._ref(number))
        self._written = shards

    def forget(self) -> None:
        """Read again next time: after a failed write nobody knows what stands there."""
        self._written = None

    def _ref(self, number: int) -> Ref:
        return Ref("v1", "ConfigMap", self._namespace, f"{PREFIX}{number}")

    def _object(self, number: int, data: dict[str, str]) -> dict[str, object]:
        meta = {"name": f"{PREFIX}{number}", "namespace": self._namespace, "labels": dict(LABELS)}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
