"""A pod's status as a kubelet writes it, from what its containers are doing; pure."""

from dataclasses import dataclass, field
from typing import Any, Literal

Doc = dict[str, Any]
CRASH_LOOP = "CrashLoopBackOff"


@dataclass(frozen=True)
class Waiting:
    reason: str
    message: str = ""

    def doc(self) -> Doc:
        return {"waiting": {"reason": self.reason, **({"message": self.message} if self.message else {})}}


@dataclass(frozen=True)
class Running:
    started: str

    def doc(self) -> Doc:
        return {"running": {"startedAt": self.started}}


@dataclass(frozen=True)
class Terminated:
    code: int
    started: str
    finished: str
    reason: str = ""
    message: str = ""

    def doc(self) -> Doc:
        reason = self.reason or ("Completed" if self.code == 0 else "Error")
        said = {"message": self.message} if self.message else {}
        return {"terminated": {"exitCode": self.code, "reason": reason, "startedAt": self.started, "finishedAt": self.finished, **said}}


State = Waiting | Running | Terminated


@dataclass
class ContainerStatus:
    """What the node knows about one container; changed in place by its runner."""

    name: str
    image: str
    state: State = field(default_factory=lambda: Waiting("ContainerCreating"))
    last: Terminated | None = None
    ready: bool = False
    started: bool = False
    restarts: int = 0
    image_id: str = ""
    container_id: str = ""

    def doc(self) -> Doc:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            "containerID": self.container_id,
            "state": self.state.doc(),
            "lastState": self.last.doc() if self.last else {},
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
        }

    @property
    def over(self) -> bool:
        return isinstance(self.state, Terminated)


def phase(
    containers: list[ContainerStatus], inits: list[ContainerStatus], restart: str
) -> Literal["Pending", "Running", "Succeeded", "Failed"]:
    """As kubelets count: pending until the first container has run, over when none will start again."""
    if any(isinstance(init.state, Terminated) and init.state.code != 0 for init in inits) and restart == "Never":
        return "Failed"
    if all(container.over for container in containers) and restart != "Always":
        failed = any(isinstance(container.state, Terminated) and container.state.code for container in containers)
        return "Failed" if failed else "Succeeded"
    begun = any(isinstance(container.state, Running | Terminated) or container.restarts for container in containers)
    return "Running" if begun else "Pending"


def pod_status(
    before: Doc,
    containers: list[ContainerStatus],
    inits: list[ContainerStatus],
    *,
    restart: str,
    address: str,
    host: str,
    started: str,
    now: str,
    terminating: bool = False,
) -> Doc:
    """The whole status; conditions keep the time of their last change from `before`."""
    reached = phase(containers, inits, restart)
    initialized = reached == "Succeeded" or all(isinstance(init.state, Terminated) and init.state.code == 0 for init in inits)
    unready = [container.name for container in containers if not container.ready]
    ready = not unready and reached == "Running" and not terminating
    reason = "PodCompleted" if reached == "Succeeded" else "ContainersNotReady"
    message = "" if reached == "Succeeded" else f"containers with unready status: [{' '.join(unready)}]"
    wanted: list[tuple[str, bool, str, str]] = [
        ("PodScheduled", True, "", ""),
        ("Initialized", initialized, "" if initialized else "ContainersNotInitialized", ""),
        ("ContainersReady", ready, "" if ready else reason, "" if ready else message),
        ("Ready", ready, "" if ready else reason, "" if ready else message),
    ]
    addresses = {"podIP": address, "podIPs": [{"ip": address}]} if address else {}
    return {
        "phase": reached,
        "conditions": [_condition(before, entry, now) for entry in wanted],
        "containerStatuses": [container.doc() for container in containers],
        "initContainerStatuses": [init.doc() for init in inits],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": started,
        "qosClass": before.get("qosClass") or "BestEffort",
        **addresses,
    }


def _condition(before: Doc, wanted: tuple[str, bool, str, str], now: str) -> Doc:
    kind, holds, reason, message = wanted
    status = "True" if holds else "False"
    old: Doc = next((entry for entry in before.get("conditions") or () if entry["type"] == kind), {})
    since = old.get("lastTransitionTime") if old.get("status") == status else None
    made = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since or now}
    return made | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})
