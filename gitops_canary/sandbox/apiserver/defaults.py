"""Defaults of the built-in kinds, as a real server fills them in; what is refused stands elsewhere."""

from collections.abc import Callable, Mapping
from typing import Any

Doc = dict[str, Any]


def fill(doc: Doc) -> Doc:
    """The object with its kind's defaults; changes and returns the copy it is given."""
    filler = _FILLERS.get(doc["kind"])
    if filler is not None:
        filler(doc)
    return doc


def _pod(spec: Doc) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        _container(container)
    for volume in spec.get("volumes") or ():
        for source in ("configMap", "secret"):
            if isinstance(volume.get(source), dict):
                volume[source].setdefault("defaultMode", 420)


def _container(container: Doc) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = str(container.get("image", ""))
    latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
    container.setdefault("imagePullPolicy", "Always" if latest and "@" not in image else "IfNotPresent")
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if isinstance(probe, dict):
            for key, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
                probe.setdefault(key, value)
            if isinstance(probe.get("httpGet"), dict):
                probe["httpGet"].setdefault("path", "/")
                probe["httpGet"].setdefault("scheme", "HTTP")
    for one in container.get("env") or ():
        reference = (one.get("valueFrom") or {}).get("fieldRef")
        if isinstance(reference, dict):
            reference.setdefault("apiVersion", "v1")


def _template(spec: Doc) -> None:
    template = spec.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        if isinstance(template.get("spec"), dict):
            _pod(template["spec"])


def _deployment(doc: Doc) -> None:
    spec = doc.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {}) or {}
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
        strategy["rollingUpdate"] = rolling
    _template(spec)
    doc.setdefault("status", {})


def _replicated(doc: Doc) -> None:
    doc.setdefault("spec", {}).setdefault("replicas", 1)
    _template(doc["spec"])
    doc.setdefault("status", {}).setdefault("replicas", 0)


def _stateful_set(doc: Doc) -> None:
    _replicated(doc)
    spec = doc["spec"]
    spec.setdefault("podManagementPolicy", "OrderedReady")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    spec.setdefault("persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"})
    doc["status"].setdefault("availableReplicas", 0)


def _daemonset(doc: Doc) -> None:
    spec = doc.setdefault("spec", {})
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})
    _template(spec)
    for name in ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"):
        doc.setdefault("status", {}).setdefault(name, 0)


def _job(doc: Doc) -> None:
    spec = doc.setdefault("spec", {})
    for key, value in (("backoffLimit", 6), ("completions", 1), ("parallelism", 1), ("suspend", False), ("completionMode", "NonIndexed")):
        spec.setdefault(key, value)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    spec.setdefault("manualSelector", False)
    _template(spec)
    if not spec["manualSelector"] and doc["metadata"].get("uid"):
        _job_labels(doc, spec)
    doc.setdefault("status", {})


def _job_labels(doc: Doc, spec: Doc) -> None:
    """A job's pods carry its uid, so that no other's are counted."""
    meta, uid = doc["metadata"], doc["metadata"]["uid"]
    marks = {
        "controller-uid": uid,
        "batch.kubernetes.io/controller-uid": uid,
        "job-name": meta["name"],
        "batch.kubernetes.io/job-name": meta["name"],
    }
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    labels.update({key: value for key, value in marks.items() if key not in labels})
    spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
    meta["labels"] = {**marks, **(meta.get("labels") or labels)}


def _cron_job(doc: Doc) -> None:
    spec = doc.setdefault("spec", {})
    for key, value in (
        ("concurrencyPolicy", "Allow"),
        ("suspend", False),
        ("successfulJobsHistoryLimit", 3),
        ("failedJobsHistoryLimit", 1),
    ):
        spec.setdefault(key, value)
    job = spec.get("jobTemplate") or {}
    job.setdefault("metadata", {})
    _template(job.get("spec") or {})
    doc.setdefault("status", {})


def _service(doc: Doc) -> None:
    spec = doc.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        spec.setdefault("internalTrafficPolicy", "Cluster")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    doc.setdefault("status", {"loadBalancer": {}})


def _secret(doc: Doc) -> None:
    doc.setdefault("type", "Opaque")


def _pod_object(doc: Doc) -> None:
    spec = doc.setdefault("spec", {})
    _pod(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    spec.setdefault("tolerations", [_toleration("not-ready"), _toleration("unreachable")])
    doc.setdefault("status", {}).setdefault("phase", "Pending")
    doc["status"].setdefault("qosClass", "BestEffort")


def _toleration(what: str) -> Doc:
    return {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}


def _namespace(doc: Doc) -> None:
    doc.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    doc.setdefault("status", {}).setdefault("phase", "Active")
    doc["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = doc["metadata"]["name"]


def _autoscaler(doc: Doc) -> None:
    spec = doc.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    spec.setdefault("metrics", [{"type": "Resource", "resource": cpu}])
    if isinstance(spec.get("behavior"), dict):
        by_part = {"type": "Percent", "value": 100, "periodSeconds": 15}
        by_pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
        up, down = (spec["behavior"].setdefault(name, {}) for name in ("scaleUp", "scaleDown"))
        up.setdefault("stabilizationWindowSeconds", 0)
        for rules, policies in ((up, [by_pods, by_part]), (down, [by_part])):
            rules.setdefault("selectPolicy", "Max")
            rules.setdefault("policies", policies)
    doc.setdefault("status", {"desiredReplicas": 0, "currentMetrics": None})


def _event(doc: Doc) -> None:
    doc.setdefault("source", {})
    for name in ("firstTimestamp", "lastTimestamp", "eventTime"):
        doc.setdefault(name, None)
    for name in ("reportingComponent", "reportingInstance"):
        doc.setdefault(name, "")


def _role(doc: Doc) -> None:
    doc["rules"] = doc.get("rules") or None


def _lease(doc: Doc) -> None:
    doc.setdefault("spec", {})


def _ingress(doc: Doc) -> None:
    doc.setdefault("status", {"loadBalancer": {}})


def _network_policy(doc: Doc) -> None:
    spec = doc.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    spec.setdefault("policyTypes", ["Ingress", *(["Egress"] if spec.get("egress") else [])])
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _claim(doc: Doc) -> None:
    doc.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    doc.setdefault("status", {"phase": "Pending"})


def _storage_class(doc: Doc) -> None:
    doc.setdefault("reclaimPolicy", "Delete")
    doc.setdefault("volumeBindingMode", "Immediate")


def _priority_class(doc: Doc) -> None:
    doc.setdefault("preemptionPolicy", "PreemptLowerPriority")


_FILLERS: Mapping[str, Callable[[Doc], None]] = {
    "Deployment": _deployment,
    "ReplicaSet": _replicated,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemonset,
    "Job": _job,
    "CronJob": _cron_job,
    "Service": _service,
    "Secret": _secret,
    "Pod": _pod_object,
    "Namespace": _namespace,
    "HorizontalPodAutoscaler": _autoscaler,
    "Event": _event,
    "Role": _role,
    "ClusterRole": _role,
    "Lease": _lease,
    "Ingress": _ingress,
    "NetworkPolicy": _network_policy,
    "PersistentVolumeClaim": _claim,
    "StorageClass": _storage_class,
    "PriorityClass": _priority_class,
}
