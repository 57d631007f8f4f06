"""Ingresses, network policies, volume claims, storage and priority classes that a server refuses, and the causes that it names."""

from tests.conformance.changing import GONE, Wrong

_PATH = "spec.rules[0].http.paths[0]"
_PORT = "spec.ingress[0].ports[0]"

WRONG: dict[str, dict[str, Wrong]] = {
    "ingresses": {
        "nothing": ({"spec": {}}, ("Invalid spec",)),
        "no path type": ({f"{_PATH}.pathType": GONE}, ("Required spec.rules[0].http.paths[0].pathType",)),
        "an odd path type": ({f"{_PATH}.pathType": "Odd"}, ("NotSupported spec.rules[0].http.paths[0].pathType",)),
        "a path without a slash": ({f"{_PATH}.path": "a"}, ("Invalid spec.rules[0].http.paths[0].path",)),
        "a path that leads up": ({f"{_PATH}.path": "/a/../b"}, ("Invalid spec.rules[0].http.paths[0].path",)),
        "a path with two slashes": ({f"{_PATH}.path": "/a//b"}, ("Invalid spec.rules[0].http.paths[0].path",)),
        "no path of a prefix": ({f"{_PATH}.path": GONE}, ("Invalid spec.rules[0].http.paths[0].path",)),
        "no backend": ({f"{_PATH}.backend": {}}, ("Invalid spec.rules[0].http.paths[0].backend",)),
        "no service": ({f"{_PATH}.backend.service.name": ""}, ("Required spec.rules[0].http.paths[0].backend.service.name",)),
        "an odd service": ({f"{_PATH}.backend.service.name": "A_b"}, ("Invalid spec.rules[0].http.paths[0].backend.service.name",)),
        "no port": ({f"{_PATH}.backend.service.port": {}}, ("Required spec.rules[0].http.paths[0].backend",)),
        "a port beyond": (
            {f"{_PATH}.backend.service.port.number": 70000},
            ("Invalid spec.rules[0].http.paths[0].backend.service.port.number",),
        ),
        "a port of two kinds": ({f"{_PATH}.backend.service.port.name": "http"}, ("Invalid spec.rules[0].http.paths[0].backend",)),
        "an odd port name": (
            {f"{_PATH}.backend.service.port": {"name": "A_b"}},
            ("Invalid spec.rules[0].http.paths[0].backend.service.port.name",),
        ),
        "a service and a resource": (
            {f"{_PATH}.backend.resource": {"kind": "A", "name": "b"}},
            ("Invalid spec.rules[0].http.paths[0].backend",),
        ),
        "an odd host": ({"spec.rules[0].host": "A_b"}, ("Invalid spec.rules[0].host",)),
        "an address for a host": ({"spec.rules[0].host": "10.0.0.1"}, ("Invalid spec.rules[0].host",)),
        "any host below": ({"spec.rules[0].host": "*.example.com"}, ()),
        "two stars": ({"spec.rules[0].host": "*.*.example.com"}, ("Invalid spec.rules[0].host",)),
        "an odd TLS host": ({"spec.tls": [{"hosts": ["A_b"]}]}, ("Invalid spec.tls[0].hosts[0]",)),
        "an odd TLS secret": ({"spec.tls": [{"hosts": ["a.example"], "secretName": "A_b"}]}, ("Invalid spec.tls[0].secretName",)),
        "an odd class": ({"spec.ingressClassName": "A_b"}, ("Invalid spec.ingressClassName",)),
        "no paths": ({"spec.rules[0].http.paths": []}, ("Required spec.rules[0].http.paths",)),
        "an odd name": ({"metadata.name": "A"}, ("Invalid metadata.name",)),
    },
    "networkpolicies": {
        "an odd type": ({"spec.policyTypes": ["Odd"]}, ("NotSupported spec.policyTypes[0]",)),
        "three types": ({"spec.policyTypes": ["Ingress", "Egress", "Ingress"]}, ("Invalid spec.policyTypes",)),
        "an odd protocol": ({f"{_PORT}.protocol": "ICMP"}, ("NotSupported spec.ingress[0].ports[0].protocol",)),
        "a port beyond": ({f"{_PORT}.port": 70000}, ("Invalid spec.ingress[0].ports[0].port",)),
        "an odd port name": ({f"{_PORT}.port": "A_b"}, ("Invalid spec.ingress[0].ports[0].port",)),
        "an end before": ({f"{_PORT}.endPort": 10}, ("Invalid spec.ingress[0].ports[0].endPort",)),
        "an end of a name": ({f"{_PORT}": {"port": "http", "endPort": 90}}, ("Invalid spec.ingress[0].ports[0].endPort",)),
        "an end of nothing": ({f"{_PORT}": {"endPort": 90}}, ("Invalid spec.ingress[0].ports[0].endPort",)),
        "an odd block": ({"spec.ingress[0].from": [{"ipBlock": {"cidr": "10.0.0.0"}}]}, ("Invalid spec.ingress[0].from[0].ipBlock.cidr",)),
        "a block of nothing": ({"spec.ingress[0].from": [{"ipBlock": {"cidr": ""}}]}, ("Required spec.ingress[0].from[0].ipBlock.cidr",)),
        "an exception outside": (
            {"spec.ingress[0].from": [{"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.1.0.0/24"]}}]},
            ("Invalid spec.ingress[0].from[0].ipBlock.except[0]",),
        ),
        "an exception as large": (
            {"spec.ingress[0].from": [{"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.0.0.0/24"]}}]},
            ("Invalid spec.ingress[0].from[0].ipBlock.except[0]",),
        ),
        "an odd exception": (
            {"spec.ingress[0].from": [{"ipBlock": {"cidr": "10.0.0.0/24", "except": ["x"]}}]},
            ("Invalid spec.ingress[0].from[0].ipBlock.except[0]",),
        ),
        "a peer of nothing": ({"spec.ingress[0].from": [{}]}, ("Required spec.ingress[0].from[0]",)),
        "a peer of two kinds": (
            {"spec.ingress[0].from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/24"}}]},
            ("Forbidden spec.ingress[0].from[0]",),
        ),
        "an odd selector": ({"spec.podSelector": {"matchLabels": {"a b": "c"}}}, ("Invalid spec.podSelector.matchLabels",)),
        "an odd peer": (
            {"spec.ingress[0].from": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]},
            ("Required spec.ingress[0].from[0].podSelector.matchExpressions[0].values",),
        ),
    },
    "persistentvolumeclaims": {
        "no modes": ({"spec.accessModes": []}, ("Required spec.accessModes",)),
        "an odd mode": ({"spec.accessModes": ["Odd"]}, ("NotSupported spec.accessModes",)),
        "one pod and more": ({"spec.accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]}, ("Forbidden spec.accessModes",)),
        "no size": ({"spec.resources": {}}, ("Required spec.resources[storage]",)),
        "a size of nothing": ({"spec.resources.requests.storage": "0"}, ("Invalid spec.resources[storage]",)),
        "an odd volume mode": ({"spec.volumeMode": "Odd"}, ("NotSupported spec.volumeMode",)),
        "an odd class": ({"spec.storageClassName": "A_b"}, ("Invalid spec.storageClassName",)),
        "an odd selector": ({"spec.selector": {"matchLabels": {"a b": "c"}}}, ("Invalid spec.selector.matchLabels",)),
        "an odd source": ({"spec.dataSource": {"kind": "", "name": "a"}}, ()),
        "a limit below": ({"spec.resources.limits": {"storage": "1"}}, ()),
    },
    "storageclasses": {
        "no provisioner": ({"provisioner": ""}, ("Required provisioner",)),
        "an odd provisioner": ({"provisioner": "a b"}, ("Invalid provisioner",)),
        "an odd reclaim policy": ({"reclaimPolicy": "Odd"}, ("NotSupported reclaimPolicy",)),
        "an odd binding mode": ({"volumeBindingMode": "Odd"}, ("NotSupported volumeBindingMode",)),
        "a parameter without a name": ({"parameters": {"": "a"}}, ("Invalid parameters",)),
        "an odd topology": (
            {"allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": []}]}]},
            ("Required allowedTopologies[0].matchLabelExpressions[0].values",),
        ),
    },
    "priorityclasses": {
        "a value beyond": ({"value": 1000000001}, ("Forbidden value",)),
        "a name of the system's": ({"metadata.name": "system-mine"}, ("Forbidden metadata.name",)),
        "an odd policy": ({"preemptionPolicy": "Odd"}, ("NotSupported preemptionPolicy",)),
        "an odd name": ({"metadata.name": "A"}, ("Invalid metadata.name",)),
    },
}
