"""Pull Secrets found by where an image is used; the cluster is a dictionary of objects behind the port."""

import base64
from typing import Any, cast

from gitops_canary.adapters.registry.pull_secrets import ClusterPullSecrets, Use
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import ImageRef
from gitops_canary.domain.resources import Doc, Ref
from gitops_canary.ports import Cluster

APP = ImageRef("ghcr.io/team/app")


class Objects:
    def __init__(self, objects: dict[str, Doc]) -> None:
        self.objects, self.reads = objects, 0

    def live(self, ref: Ref) -> Doc | None:
        self.reads += 1
        if ref.name == "forbidden":
            raise UserError("cannot read Secret forbidden: forbidden")
        return self.objects.get(str(ref))


def secret(name: str, value: bytes) -> Doc:
    return {"metadata": {"name": name}, "data": {".dockercfg": base64.b64encode(value).decode()}}


def found(objects: dict[str, Doc], *uses: Use, now: Any = lambda: 0.0) -> tuple[ClusterPullSecrets, Objects]:
    cluster = Objects(objects)
    return ClusterPullSecrets(cast(Cluster, cluster), lambda name: uses, now), cluster


def test_the_workloads_own_secrets_come_before_those_of_its_account() -> None:
    objects: dict[str, Doc] = {
        "ServiceAccount test/default": {"imagePullSecrets": [{"name": "account"}]},
        "Secret test/account": secret("account", b"2"),
        "Secret test/own": secret("own", b"1"),
    }
    secrets, _ = found(objects, Use("test", secrets=("own", "missing", "forbidden")))
    assert secrets.of(APP) == [("Secret test/own", {".dockercfg": b"1"}), ("Secret test/account", {".dockercfg": b"2"})]


def test_scans_read_a_secret_once_and_again_when_a_registry_refuses() -> None:
    now = [0.0]
    secrets, cluster = found({"Secret test/own": secret("own", b"1")}, Use("test", secrets=("own",)), now=lambda: now[0])
    secrets.of(APP)
    now[0] = 59.0
    assert not secrets.forget(), "what was just read is not worth another try"
    now[0] = 600.0
    secrets.of(APP)
    assert cluster.reads == 2, "the Secret and the ServiceAccount"
    assert secrets.forget()
    secrets.of(APP)
    assert cluster.reads == 4
    now[0] = 5000.0
    secrets.of(APP)
    assert cluster.reads == 6


def test_an_image_that_nobody_uses_has_no_secrets() -> None:
    secrets, cluster = found({})
    assert (secrets.of(APP), cluster.reads) == ([], 0)
