"""Two identities (rule O5): the operator's own and the applier it impersonates, under a real server's RBAC."""

import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Ref
from gitops_canary.sandbox.control_plane.plane import ControlPlane
from tests.adapters.cluster.support import config_map, connect, ref, watching

pytestmark = pytest.mark.control_plane
RBAC = "rbac.authorization.k8s.io"


def arrange(plane: ControlPlane, path: str, kind: str, name: str, **fields: object) -> None:
    version = f"{RBAC}/v1" if RBAC in path else "v1"
    doc = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
    plane.request("PATCH", f"{path}/{name}?fieldManager=test", doc)


@pytest.fixture
def applier(control_plane: ControlPlane, real_namespace: str) -> str:
    """The user name of a service account that is `admin` of the namespace, and that `nobody` may impersonate."""
    spaced, rbac = f"/api/v1/namespaces/{real_namespace}", f"/apis/{RBAC}/v1/namespaces/{real_namespace}"
    arrange(control_plane, f"{spaced}/serviceaccounts", "ServiceAccount", "applier")
    rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["applier"], "verbs": ["impersonate"]}
    arrange(control_plane, f"{rbac}/roles", "Role", "impersonate", rules=[rule])
    for name, role, subject in (
        ("impersonate", {"kind": "Role", "name": "impersonate"}, {"kind": "User", "name": "nobody", "apiGroup": RBAC}),
        ("admin", {"kind": "ClusterRole", "name": "admin"}, {"kind": "ServiceAccount", "name": "applier", "namespace": real_namespace}),
    ):
        arrange(control_plane, f"{rbac}/rolebindings", "RoleBinding", name, roleRef={"apiGroup": RBAC, **role}, subjects=[subject])
    return f"system:serviceaccount:{real_namespace}:applier"


def test_o5_what_the_operator_may_not_do_itself_the_applier_does(control_plane: ControlPlane, real_namespace: str, applier: str) -> None:
    with watching(connect(control_plane.kubeconfig("nobody"))) as (cluster, _):
        made = config_map(real_namespace, a="1")
        with pytest.raises(UserError, match='User "nobody" cannot patch resource "configmaps"'):
            cluster.apply(made)
        mark = control_plane.audit_mark()
        cluster.apply(made, as_user=applier)
        cluster.patch(ref(made), {"data": {"b": "2"}}, as_user=applier)
        cluster.delete(ref(made), as_user=applier)
        asked = [(one.verb, one.impersonated) for one in control_plane.audit(mark, user="nobody") if one.resource == "configmaps"]
    assert asked == [("patch", applier), ("patch", applier), ("delete", applier)]


def test_o5_a_repository_gets_no_more_than_the_appliers_rights(control_plane: ControlPlane, real_namespace: str, applier: str) -> None:
    with watching(connect(control_plane.kubeconfig("nobody"))) as (cluster, _):
        with pytest.raises(UserError, match=f'User "{applier}" cannot patch resource "configmaps" .* in the namespace "default"'):
            cluster.apply(config_map("default"), as_user=applier)
        with pytest.raises(UserError, match='cannot impersonate resource "serviceaccounts"'):
            cluster.delete(Ref("v1", "ConfigMap", real_namespace, "x"), as_user=f"system:serviceaccount:{real_namespace}:default")
