"""A pod's service account: a token of its own from the TokenRequest API and a kubeconfig around it, renewed before it ends."""

import asyncio
import base64
import json
from pathlib import Path

from gitops_canary.sandbox.kube import NETWORK, ApiError, Doc, Kube
from gitops_canary.sandbox.node.environment import ConfigProblem

LIFETIME = 3600
MOUNT = "var/run/secrets/kubernetes.io/serviceaccount"


class Account:
    """Files in `folder`; `kubeconfig` is None where the pod wants no token or the cluster has no such account."""

    def __init__(self, kube: Kube, pod: Doc, folder: Path) -> None:
        self._kube = kube
        self._namespace = pod["metadata"]["namespace"]
        self._name = pod["spec"].get("serviceAccountName") or "default"
        bound = {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        # The API server binds a token to a pod only when the pod names the account, which is left to the admission plugin that fills it in.
        self._spec = {"expirationSeconds": LIFETIME, **({"boundObjectRef": bound} if pod["spec"].get("serviceAccountName") else {})}
        self._wanted = pod["spec"].get("automountServiceAccountToken", True)
        self._folder = folder / MOUNT
        self.kubeconfig: Path | None = None
        self.files: dict[str, bytes] = {}

    async def obtain(self) -> None:
        """ConfigProblem when a named account does not exist."""
        if not self._wanted:
            return
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{self._name}/token"
        ask = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        try:
            answer = await self._kube.request("POST", path, {**ask, "spec": self._spec})
        except ApiError as error:
            if self._name == "default" and error.status in (403, 404):
                return
            raise ConfigProblem(f'failed to fetch token of service account "{self._name}": {error}') from error
        self._write(answer["status"]["token"])

    async def keep_fresh(self) -> None:
        """Renews at 80 % of the lifetime, until cancelled."""
        while self.kubeconfig:
            await asyncio.sleep(LIFETIME * 0.8)
            try:
                await self.obtain()
            except (ConfigProblem, *NETWORK):
                await asyncio.sleep(10)

    def _write(self, token: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        authority = self._kube.authority()
        self.files = {"token": token.encode(), "namespace": self._namespace.encode(), "ca.crt": authority or b""}
        for name, content in self.files.items():
            (self._folder / name).write_bytes(content)
            (self._folder / name).chmod(0o600)
        cluster = {"server": self._kube.server}
        if authority:
            cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
        user = f"{self._namespace}.{self._name}"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": cluster}],
            "users": [{"name": user, "user": {"tokenFile": str(self._folder / "token")}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": user, "namespace": self._namespace}}],
            "current-context": "sandbox",
        }
        self.kubeconfig = self._folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(document))
