"""Deployments, Jobs, autoscalers and disruption budgets that a server refuses, and the causes that it names."""

from tests.conformance.changing import GONE, Wrong
from tests.conformance.objects import container

_POD = "spec.template.spec"
_ONE = f"{_POD}.containers[0]"
_LABELS = {"matchLabels": {"app": "web"}}

WRONG: dict[str, dict[str, Wrong]] = {
    "deployments": {
        "no selector": (
            {"spec.selector": GONE},
            (
                "Required spec.selector",
                "Invalid spec.template.metadata.labels",
            ),
        ),
        "an empty selector": ({"spec.selector": {}}, ("Invalid spec.selector",)),
        "a selector of other labels": ({"spec.selector.matchLabels.app": "other"}, ("Invalid spec.template.metadata.labels",)),
        "a selector with an odd operator": (
            {"spec.selector.matchExpressions": [{"key": "app", "operator": "Is", "values": ["web"]}]},
            (
                "Invalid spec.selector.matchExpressions[0].operator",
                "Invalid spec.selector",
            ),
        ),
        "negative replicas": ({"spec.replicas": -1}, ("Invalid spec.replicas",)),
        "negative minReadySeconds": ({"spec.minReadySeconds": -1}, ("Invalid spec.minReadySeconds",)),
        "a negative history": ({"spec.revisionHistoryLimit": -1}, ("Invalid spec.revisionHistoryLimit",)),
        "a deadline within minReadySeconds": (
            {"spec.minReadySeconds": 10, "spec.progressDeadlineSeconds": 10},
            ("Invalid spec.progressDeadlineSeconds",),
        ),
        "neither surge nor unavailable": (
            {"spec.strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
            ("Invalid spec.strategy.rollingUpdate.maxUnavailable",),
        ),
        "more than all unavailable": (
            {"spec.strategy": {"rollingUpdate": {"maxUnavailable": "120%"}}},
            ("Invalid spec.strategy.rollingUpdate.maxUnavailable",),
        ),
        "an odd percentage": (
            {"spec.strategy": {"rollingUpdate": {"maxSurge": "many"}}},
            ("Invalid spec.strategy.rollingUpdate.maxSurge",),
        ),
        "a negative surge": ({"spec.strategy": {"rollingUpdate": {"maxSurge": -1}}}, ("Invalid spec.strategy.rollingUpdate.maxSurge",)),
        "an odd strategy": ({"spec.strategy": {"type": "Odd"}}, ("NotSupported spec.strategy",)),
        "a rolling update of Recreate": (
            {"spec.strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
            ("Forbidden spec.strategy.rollingUpdate",),
        ),
        "pods that are not restarted": ({f"{_POD}.restartPolicy": "Never"}, ("NotSupported spec.template.spec.restartPolicy",)),
        "no containers": ({f"{_POD}.containers": []}, ("Required spec.template.spec.containers",)),
        "no container name": ({f"{_ONE}.name": GONE}, ("Required spec.template.spec.containers[0].name",)),
        "an odd container name": ({f"{_ONE}.name": "A_b"}, ("Invalid spec.template.spec.containers[0].name",)),
        "two containers of one name": ({f"{_POD}.containers[1]": container()}, ("Duplicate spec.template.spec.containers[1].name",)),
        "no image": ({f"{_ONE}.image": GONE}, ("Required spec.template.spec.containers[0].image",)),
        "an image with a space": ({f"{_ONE}.image": " app:1"}, ()),
        "an odd pull policy": (
            {f"{_ONE}.imagePullPolicy": "Sometimes"},
            ("NotSupported spec.template.spec.containers[0].imagePullPolicy",),
        ),
        "an odd label": ({"spec.template.metadata.labels.tier": "a b"}, ("Invalid spec.template.labels",)),
        "an odd label key": ({"metadata.labels": {"a b": "c"}}, ("Invalid metadata.labels",)),
        "an odd annotation key": ({"metadata.annotations": {"a b": "c"}}, ("Invalid metadata.annotations",)),
        "an init container of the same name": (
            {f"{_POD}.initContainers": [container()]},
            ("Duplicate spec.template.spec.initContainers[0].name",),
        ),
        "several things": (
            {"spec.replicas": -1, f"{_ONE}.image": GONE},
            (
                "Invalid spec.replicas",
                "Required spec.template.spec.containers[0].image",
            ),
        ),
    },
    "jobs": {
        "no restart policy": ({f"{_POD}.restartPolicy": GONE}, ("Required spec.template.spec.restartPolicy",)),
        "pods that are always restarted": ({f"{_POD}.restartPolicy": "Always"}, ("Required spec.template.spec.restartPolicy",)),
        "negative completions": ({"spec.completions": -1}, ("Invalid spec.completions",)),
        "negative parallelism": ({"spec.parallelism": -1}, ("Invalid spec.parallelism",)),
        "a negative back-off": ({"spec.backoffLimit": -1}, ("Invalid spec.backoffLimit",)),
        "a negative deadline": ({"spec.activeDeadlineSeconds": -1}, ("Invalid spec.activeDeadlineSeconds",)),
        "a negative time to live": ({"spec.ttlSecondsAfterFinished": -1}, ("Invalid spec.ttlSecondsAfterFinished",)),
        "a selector of its own": (
            {"spec.selector": _LABELS},
            (
                "Invalid spec.selector",
                "Invalid spec.template.metadata.labels",
            ),
        ),
        "an odd completion mode": ({"spec.completionMode": "Odd"}, ("NotSupported spec.completionMode",)),
        "a mode without completions": ({"spec.completionMode": "Indexed"}, ()),
    },
    "horizontalpodautoscalers": {
        "a maximum below the minimum": ({"spec.minReplicas": 4}, ("Invalid spec.maxReplicas",)),
        "no maximum": (
            {"spec.maxReplicas": GONE},
            (
                "Required spec.maxReplicas",
                "Invalid spec.maxReplicas",
            ),
        ),
        "no minimum": (
            {"spec.minReplicas": 0},
            (
                "Invalid spec.minReplicas",
                "Forbidden spec.metrics",
            ),
        ),
        "a negative minimum": ({"spec.minReplicas": -1}, ("Invalid spec.minReplicas",)),
        "no target": (
            {"spec.scaleTargetRef": {}},
            (
                "Required spec.scaleTargetRef.kind",
                "Required spec.scaleTargetRef.name",
                "Invalid spec.scaleTargetRef.apiVersion",
            ),
        ),
        "a metric of nothing": ({"spec.metrics[0].resource": GONE}, ("Required spec.metrics[0].resource",)),
        "an odd metric": (
            {"spec.metrics[0].type": "Odd"},
            (
                "NotSupported spec.metrics[0].type",
                "NotSupported spec.metrics[0].type",
            ),
        ),
        "a metric without a target": (
            {"spec.metrics[0].resource.target": {"type": "Utilization"}},
            ("Required spec.metrics[0].resource.target.averageUtilization",),
        ),
        "a target of two kinds": (
            {"spec.metrics[0].resource.target.averageValue": "1"},
            ("Forbidden spec.metrics[0].resource.target.averageValue",),
        ),
        "no utilisation": (
            {"spec.metrics[0].resource.target.averageUtilization": 0},
            ("Invalid spec.metrics[0].resource.target.averageUtilization",),
        ),
        "an odd target type": ({"spec.metrics[0].resource.target.type": "Odd"}, ("Invalid spec.metrics[0].resource.target.type",)),
        "a metric without a name": ({"spec.metrics[0].resource.name": GONE}, ("Required spec.metrics[0].resource.name",)),
        "a long window": (
            {"spec.behavior": {"scaleDown": {"stabilizationWindowSeconds": 4000}}},
            ("Invalid spec.behavior.scaleDown.stabilizationWindowSeconds",),
        ),
        "no policies": ({"spec.behavior": {"scaleDown": {"policies": []}}}, ("Required spec.behavior.scaleDown.policies",)),
        "a policy of nothing": (
            {"spec.behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 0}]}}},
            (
                "Invalid spec.behavior.scaleDown.policies[0].value",
                "Invalid spec.behavior.scaleDown.policies[0].periodSeconds",
            ),
        ),
        "an odd policy": (
            {"spec.behavior": {"scaleDown": {"policies": [{"type": "Odd", "value": 1, "periodSeconds": 1}]}}},
            ("NotSupported spec.behavior.scaleDown.policies[0].type",),
        ),
        "an odd choice of policies": (
            {"spec.behavior": {"scaleUp": {"selectPolicy": "Odd"}}},
            ("NotSupported spec.behavior.scaleUp.selectPolicy",),
        ),
    },
    "poddisruptionbudgets.policy/v1": {
        "a minimum and a maximum": ({"spec.maxUnavailable": 1}, ("Invalid spec",)),
        "a negative minimum": ({"spec.minAvailable": -1}, ("Invalid spec.minAvailable",)),
        "an odd minimum": ({"spec.minAvailable": "many"}, ("Invalid spec.minAvailable",)),
        "more than all": ({"spec.minAvailable": "120%"}, ("Invalid spec.minAvailable",)),
        "an odd selector": ({"spec.selector": {"matchLabels": {"a b": "c"}}}, ("Invalid spec.selector.matchLabels",)),
    },
}
