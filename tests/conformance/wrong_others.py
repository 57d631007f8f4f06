"""Services, configs, names, roles and leases that a server refuses, and the causes that it names."""

from tests.conformance.changing import GONE, Wrong

_LONG = "a" * 254

WRONG: dict[str, dict[str, Wrong]] = {
    "services": {
        "an odd name": ({"metadata.name": "a.b"}, ("Invalid metadata.name",)),
        "a name that begins with a digit": ({"metadata.name": "1a"}, ()),
        "no ports": ({"spec.ports": []}, ("Required spec.ports",)),
        "no port number": ({"spec.ports[0].port": GONE}, ("Invalid spec.ports[0].port",)),
        "a port beyond": ({"spec.ports[0].port": 70000}, ("Invalid spec.ports[0].port",)),
        "a target beyond": ({"spec.ports[0].targetPort": 70000}, ("Invalid spec.ports[0].targetPort",)),
        "an odd target": ({"spec.ports[0].targetPort": "A_b"}, ("Invalid spec.ports[0].targetPort",)),
        "an odd protocol": ({"spec.ports[0].protocol": "ICMP"}, ("NotSupported spec.ports[0].protocol",)),
        "two ports without names": (
            {"spec.ports": [{"port": 80}, {"port": 81}]},
            (
                "Required spec.ports[0].name",
                "Required spec.ports[1].name",
            ),
        ),
        "two ports of one name": (
            {"spec.ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]},
            ("Duplicate spec.ports[1].name",),
        ),
        "two ports of one number": ({"spec.ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}, ("Duplicate spec.ports[1]",)),
        "an odd port name": ({"spec.ports[0].name": "A_b"}, ("Invalid spec.ports[0].name",)),
        "an odd type": ({"spec.type": "Odd"}, ("NotSupported spec.type",)),
        "a name outside without one": ({"spec.type": "ExternalName"}, ("Required spec.externalName",)),
        "an odd address": ({"spec.clusterIP": "1.2.3"}, ("Invalid spec.clusterIPs[0]",)),
        "an odd affinity": ({"spec.sessionAffinity": "Odd"}, ("NotSupported spec.sessionAffinity",)),
        "an odd selector": ({"spec.selector": {"a b": "c"}}, ("Invalid spec.selector",)),
        "a node port of ClusterIP": ({"spec.ports[0].nodePort": 30080}, ("Forbidden spec.ports[0].nodePort",)),
    },
    "configmaps": {
        "an odd key": ({"data": {"a b": "1"}}, ("Invalid data[a b]",)),
        "a key that leads up": ({"data": {"..": "1"}}, ("Invalid data[..]",)),
        "a long key": ({"data": {_LONG: "1"}}, (f"Invalid data[{_LONG}]",)),
        "one key twice": ({"binaryData": {"a": "MQ=="}}, ("Invalid data[a]",)),
        "too much": ({"data": {"a": "x" * (2**20 + 1)}}, ("TooLong []",)),
        "an odd name": ({"metadata.name": "A"}, ("Invalid metadata.name",)),
        "a long name": ({"metadata.name": _LONG}, ("Invalid metadata.name",)),
        "too many notes": ({"metadata.annotations": {"a": "x" * 2**18}}, ("TooLong metadata.annotations",)),
    },
    "secrets": {
        "an odd key": ({"data": {"a b": "MQ=="}}, ("Invalid data[a b]",)),
        "a docker config without its key": ({"type": "kubernetes.io/dockerconfigjson"}, ("Required data[.dockerconfigjson]",)),
        "a docker config that is no JSON": (
            {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "MQ=="}},
            ("Invalid data[.dockerconfigjson]",),
        ),
        "a docker config that is broken": (
            {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "ew=="}},
            ("Invalid data[.dockerconfigjson]",),
        ),
        "basic auth of nothing": (
            {"type": "kubernetes.io/basic-auth"},
            (
                "Required data[username]",
                "Required data[password]",
            ),
        ),
        "a key of no SSH": ({"type": "kubernetes.io/ssh-auth"}, ("Required data[ssh-privatekey]",)),
        "no certificate": (
            {"type": "kubernetes.io/tls"},
            (
                "Required data[tls.crt]",
                "Required data[tls.key]",
            ),
        ),
        "too much": ({"data": {"a": "MTIz" * (2**18 + 2**17)}}, ("TooLong data",)),
        "a token of no account": (
            {"type": "kubernetes.io/service-account-token"},
            ("Required metadata.annotations[kubernetes.io/service-account.name]",),
        ),
    },
    "namespaces": {
        "an odd name": ({"metadata.name": "a.b"}, ("Invalid metadata.name",)),
        "a long name": (
            {"metadata.name": "a" * 64},
            (
                "Invalid metadata.name",
                "Invalid metadata.labels",
            ),
        ),
    },
    "serviceaccounts": {
        "an odd name": ({"metadata.name": "A"}, ("Invalid metadata.name",)),
        "an odd owner": (
            {"metadata.ownerReferences": [{"kind": "A"}]},
            (
                "Invalid metadata.ownerReferences.apiVersion",
                "Invalid metadata.ownerReferences.name",
                "Invalid metadata.ownerReferences.uid",
            ),
        ),
    },
    "leases": {
        "no duration": ({"spec.leaseDurationSeconds": 0}, ("Invalid spec.leaseDurationSeconds",)),
        "negative transitions": ({"spec.leaseTransitions": -1}, ("Invalid spec.leaseTransitions",)),
        "nobody": ({"spec.holderIdentity": ""}, ()),
    },
    "roles": {
        "no verbs": ({"rules[0].verbs": []}, ("Required rules[0].verbs",)),
        "no resources": ({"rules[0].resources": []}, ("Required rules[0].resources",)),
        "no groups": ({"rules[0].apiGroups": []}, ("Required rules[0].apiGroups",)),
        "paths": ({"rules[0]": {"nonResourceURLs": ["/x"], "verbs": ["get"]}}, ("Invalid rules[0].nonResourceURLs",)),
        "an odd name": ({"metadata.name": "a/b"}, ("Invalid metadata.name",)),
    },
    "clusterroles": {
        "no verbs": ({"rules[0].verbs": []}, ("Required rules[0].verbs",)),
        "resources and paths": ({"rules[0].nonResourceURLs": ["/x"]}, ("Invalid rules[0].nonResourceURLs",)),
        "nothing": (
            {"rules[0]": {"verbs": ["get"]}},
            (
                "Required rules[0].apiGroups",
                "Required rules[0].resources",
            ),
        ),
    },
    "rolebindings": {
        "no role": ({"roleRef.name": ""}, ("Required roleRef.name",)),
        "an odd kind": ({"roleRef.kind": "Odd"}, ("NotSupported roleRef.kind",)),
        "an odd group": ({"roleRef.apiGroup": "odd"}, ("NotSupported roleRef.apiGroup",)),
        "an account of no namespace": ({"subjects[0].namespace": GONE}, ()),
        "nobody": ({"subjects[0].name": ""}, ("Required subjects[0].name",)),
        "an odd subject": ({"subjects[0].kind": "Odd"}, ("NotSupported subjects[0].kind",)),
        "a user of another group": (
            {"subjects[0]": {"kind": "User", "name": "x", "apiGroup": "odd"}},
            ("NotSupported subjects[0].apiGroup",),
        ),
    },
}
