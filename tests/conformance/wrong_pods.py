"""Pods that a server refuses, and the causes that it names."""

from tests.conformance.changing import GONE, Wrong

_PROBE = {"httpGet": {"path": "/", "port": 80}}

WRONG: dict[str, dict[str, Wrong]] = {
    "pods": {
        "an odd restart policy": ({"spec.restartPolicy": "Maybe"}, ("NotSupported spec.restartPolicy",)),
        "an odd dns policy": ({"spec.dnsPolicy": "Odd"}, ("NotSupported spec.dnsPolicy",)),
        "a negative grace period": ({"spec.terminationGracePeriodSeconds": -1}, ()),
        "no deadline at all": ({"spec.activeDeadlineSeconds": 0}, ("Invalid spec.activeDeadlineSeconds",)),
        "an odd account name": ({"spec.serviceAccountName": "A b"}, ("Invalid spec.serviceAccountName",)),
        "an odd hostname": ({"spec.hostname": "a.b"}, ("Invalid spec.hostname",)),
        "a port beyond": ({"spec.containers[0].ports[0].containerPort": 70000}, ("Invalid spec.containers[0].ports[0].containerPort",)),
        "no port": ({"spec.containers[0].ports[0].containerPort": GONE}, ("Required spec.containers[0].ports[0].containerPort",)),
        "an odd protocol": ({"spec.containers[0].ports[0].protocol": "ICMP"}, ("NotSupported spec.containers[0].ports[0].protocol",)),
        "a long port name": ({"spec.containers[0].ports[0].name": "a-port-name-too-long"}, ("Invalid spec.containers[0].ports[0].name",)),
        "two ports of one name": (
            {"spec.containers[0].ports[1]": {"containerPort": 81, "name": "http"}},
            ("Duplicate spec.containers[0].ports[1].name",),
        ),
        "no variable name": ({"spec.containers[0].env[0].name": GONE}, ("Required spec.containers[0].env[0].name",)),
        "an odd variable name": ({"spec.containers[0].env[0].name": "a=b"}, ("Invalid spec.containers[0].env[0].name",)),
        "a value and a source": (
            {"spec.containers[0].env[0].valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ("Invalid spec.containers[0].env[0].valueFrom",),
        ),
        "a source of nothing": (
            {"spec.containers[0].env[0]": {"name": "A", "valueFrom": {}}},
            ("Invalid spec.containers[0].env[0].valueFrom",),
        ),
        "an odd field": (
            {"spec.containers[0].env[0]": {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.odd"}}}},
            ("Invalid spec.containers[0].env[0].valueFrom.fieldRef.fieldPath",),
        ),
        "a key of no ConfigMap": (
            {"spec.containers[0].env[0]": {"name": "A", "valueFrom": {"configMapKeyRef": {"key": "a"}}}},
            ("Invalid spec.containers[0].env[0].valueFrom.configMapKeyRef.name",),
        ),
        "no key of a Secret": (
            {"spec.containers[0].env[0]": {"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}},
            ("Required spec.containers[0].env[0].valueFrom.secretKeyRef.key",),
        ),
        "everything from nothing": ({"spec.containers[0].envFrom": [{"prefix": "A"}]}, ("Invalid spec.containers[0].envFrom",)),
        "requests above limits": (
            {"spec.containers[0].resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
            ("Invalid spec.containers[0].resources.requests",),
        ),
        "negative requests": (
            {"spec.containers[0].resources": {"requests": {"memory": "-1Mi"}}},
            ("Invalid spec.containers[0].resources.requests[memory]",),
        ),
        "an odd resource": (
            {"spec.containers[0].resources": {"requests": {"odd": "1"}}},
            (
                "Invalid spec.containers[0].resources.requests[odd]",
                "Invalid spec.containers[0].resources.requests[odd]",
            ),
        ),
        "a mount of no volume": (
            {"spec.containers[0].volumeMounts": [{"name": "v", "mountPath": "/v"}]},
            ("NotFound spec.containers[0].volumeMounts[0].name",),
        ),
        "a mount without a path": (
            {"spec.volumes": [{"name": "v", "emptyDir": {}}], "spec.containers[0].volumeMounts": [{"name": "v"}]},
            ("Required spec.containers[0].volumeMounts[0].mountPath",),
        ),
        "two mounts on one path": (
            {
                "spec.volumes": [{"name": "v", "emptyDir": {}}],
                "spec.containers[0].volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/v"}],
            },
            ("Invalid spec.containers[0].volumeMounts[1].mountPath",),
        ),
        "a mount that leads out": (
            {
                "spec.volumes": [{"name": "v", "emptyDir": {}}],
                "spec.containers[0].volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "../a"}],
            },
            ("Invalid spec.containers[0].volumeMounts.subPath",),
        ),
        "a volume without a name": ({"spec.volumes": [{"emptyDir": {}}]}, ("Required spec.volumes[0].name",)),
        "an odd volume name": ({"spec.volumes": [{"name": "A_b", "emptyDir": {}}]}, ("Invalid spec.volumes[0].name",)),
        "two volumes of one name": (
            {"spec.volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
            ("Duplicate spec.volumes[1].name",),
        ),
        "a volume of two kinds": (
            {"spec.volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]},
            ("Forbidden spec.volumes[0].secret",),
        ),
        "a volume of no Secret": ({"spec.volumes": [{"name": "v", "secret": {}}]}, ("Required spec.volumes[0].secret.secretName",)),
        "a volume of no ConfigMap": ({"spec.volumes": [{"name": "v", "configMap": {}}]}, ("Required spec.volumes[0].configMap.name",)),
        "an item without a path": (
            {"spec.volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"key": "a"}]}}]},
            ("Required spec.volumes[0].configMap.items[0].path",),
        ),
        "an item that leads out": (
            {"spec.volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"key": "a", "path": "../a"}]}}]},
            ("Invalid spec.volumes[0].configMap.items[0].path",),
        ),
        "a probe of nothing": (
            {"spec.containers[0].readinessProbe": {"periodSeconds": 1}},
            ("Required spec.containers[0].readinessProbe",),
        ),
        "a probe of two kinds": (
            {"spec.containers[0].readinessProbe": {**_PROBE, "tcpSocket": {"port": 80}}},
            ("Forbidden spec.containers[0].readinessProbe.tcpSocket",),
        ),
        "a probe of no port": (
            {"spec.containers[0].readinessProbe": {"httpGet": {"path": "/"}}},
            ("Invalid spec.containers[0].readinessProbe.httpGet.port",),
        ),
        "a probe of a port beyond": (
            {"spec.containers[0].readinessProbe": {"tcpSocket": {"port": 70000}}},
            ("Invalid spec.containers[0].readinessProbe.tcpSocket.port",),
        ),
        "a probe of an odd port name": (
            {"spec.containers[0].readinessProbe": {"httpGet": {"port": "A_b"}}},
            ("Invalid spec.containers[0].readinessProbe.httpGet.port",),
        ),
        "a probe of an odd scheme": (
            {"spec.containers[0].readinessProbe": {"httpGet": {"port": 80, "scheme": "FTP"}}},
            ("NotSupported spec.containers[0].readinessProbe.httpGet.scheme",),
        ),
        "a probe of no command": (
            {"spec.containers[0].livenessProbe": {"exec": {}}},
            ("Required spec.containers[0].livenessProbe.exec.command",),
        ),
        "a negative period": (
            {"spec.containers[0].readinessProbe": {**_PROBE, "periodSeconds": -1}},
            ("Invalid spec.containers[0].readinessProbe.periodSeconds",),
        ),
        "a negative delay": (
            {"spec.containers[0].readinessProbe": {**_PROBE, "initialDelaySeconds": -1}},
            ("Invalid spec.containers[0].readinessProbe.initialDelaySeconds",),
        ),
        "a liveness of two successes": (
            {"spec.containers[0].livenessProbe": {**_PROBE, "successThreshold": 2}},
            ("Invalid spec.containers[0].livenessProbe.successThreshold",),
        ),
        "a hook of nothing": ({"spec.containers[0].lifecycle": {"preStop": {}}}, ("Required spec.containers[0].lifecycle.preStop",)),
        "escalation that may not be": (
            {"spec.containers[0].securityContext": {"capabilities": {"add": ["CAP_SYS_ADMIN"]}, "allowPrivilegeEscalation": False}},
            ("Invalid spec.containers[0].securityContext",),
        ),
        "a negative user": (
            {"spec.containers[0].securityContext": {"runAsUser": -1}},
            ("Invalid spec.containers[0].securityContext.runAsUser",),
        ),
        "an odd toleration": ({"spec.tolerations": [{"key": "a", "operator": "Odd"}]}, ("NotSupported spec.tolerations[0].operator",)),
        "a toleration without a key": (
            {"spec.tolerations": [{"operator": "Equal", "value": "a"}]},
            ("Invalid spec.tolerations[0].operator",),
        ),
        "an odd node selector": ({"spec.nodeSelector": {"a b": "c"}}, ("Invalid spec.nodeSelector",)),
    },
}
