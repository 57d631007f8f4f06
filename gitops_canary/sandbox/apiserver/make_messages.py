"""Writes messages.json: numbers, names and types of the fields of the kinds that Go clients send as protobuf.

Run by hand when the Kubernetes version moves: `python -m gitops_canary.sandbox.apiserver.make_messages FOLDER`, with the folder that holds
the Go modules `api@VERSION` and `apimachinery@VERSION`. Only facts of the wire format are kept, in a form of our own.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOTS = {
    "core/v1": ("ConfigMap", "Secret", "Namespace", "ServiceAccount", "Service", "Pod", "Event", "Node", "Binding", "PersistentVolumeClaim",
                "ResourceQuota", "LimitRange", "Endpoints"),
    "apps/v1": ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ControllerRevision"),
    "batch/v1": ("Job", "CronJob"),
    "autoscaling/v1": ("Scale",),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "rbac/v1": ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    "coordination/v1": ("Lease",),
    "networking/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget", "Eviction"),
    "scheduling/v1": ("PriorityClass",),
    "authentication/v1": ("TokenRequest", "SelfSubjectReview", "TokenReview"),
    "authorization/v1": ("SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"),
}  # fmt: skip
ALSO = ("apimachinery/pkg/apis/meta/v1", "apimachinery/pkg/util/intstr", "apimachinery/pkg/api/resource", "apimachinery/pkg/runtime")
INLINE = frozenset(
    {"volumeSource", "localObjectReference", "handler", "ephemeralContainerCommon", "persistentVolumeSource", "ingressRuleValue"}
)
"""Messages whose fields stand in their parent's JSON."""
_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(?:(optional|repeated) ([\w.]+)|map<\w+, ([\w.]+)>) (\w+) = (\d+);", re.MULTILINE)
SCALARS = frozenset({"string", "bytes", "bool", "int32", "int64", "uint32", "uint64", "double"})


def main(folder: str) -> None:
    messages = read(Path(folder))
    wanted = [f"io.k8s.api.{group.replace('/', '.')}.{name}" for group, names in ROOTS.items() for name in names]
    wanted.append("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
    kept: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name in kept or name not in messages:
            continue
        kept[name] = messages[name]
        wanted += [field[1] for field in messages[name].values() if field[1] not in SCALARS]
    target = Path(__file__).with_name("messages.json")
    target.write_text(json.dumps(kept, indent=None, sort_keys=True, separators=(",", ":")) + "\n")
    print(f"{len(kept)} messages in {target}")


def read(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Every message by its full name: number -> [JSON name, type, one | many | map | inline]."""
    found: dict[str, dict[str, list[str]]] = {}
    places = [*(f"api/{group}" for group in ROOTS), *ALSO]
    for place in places:
        module, _, rest = place.partition("/")
        home = max(folder.glob(f"{module}@*"))
        text = re.sub(r"//.*", "", (home / rest / "generated.proto").read_text())
        package = "io.k8s." + place.replace("/", ".")
        for name, body in _MESSAGE.findall(text):
            found[f"{package}.{name}"] = {str(field[4]): _field(field, package) for field in _FIELD.findall(body)}
    return found


def _field(found: tuple[str, ...], package: str) -> list[str]:
    label, type_, map_type, name, _ = found
    if map_type:
        return [name, _full(map_type, package), "map"]
    shape = "many" if label == "repeated" else "inline" if name in INLINE else "one"
    return [name, _full(type_, package), shape]


def _full(type_: str, package: str) -> str:
    if type_ in SCALARS:
        return type_
    if type_.startswith("."):
        type_ = type_[1:]
    return type_.replace("k8s.io.", "io.k8s.", 1) if "." in type_ else f"{package}.{type_}"


if __name__ == "__main__":
    main(sys.argv[1])
