"""One object of each kind with every field that Flagger and the Helm Operator know, and with what ours adds."""

from typing import Any

Doc = dict[str, Any]
REF = {"apiVersion": "v1", "kind": "Service", "name": "a"}
METADATA = {"labels": {"a": "b"}, "annotations": {"a": "b"}}
SERVICE: Doc = {
    "name": "a",
    "port": 80,
    "portName": "http",
    "targetPort": "http",
    "appProtocol": "http",
    "trafficDistribution": "PreferClose",
    "portDiscovery": True,
    "headless": False,
    "timeout": "10s",
    "backendTimeout": "5s",
    "gateways": ["mesh"],
    "gatewayRefs": [{"name": "g", "namespace": "istio-system", "sectionName": "http"}],
    "hosts": ["a.example.com"],
    "delegation": False,
    "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}, "connectionPool": {"http": {"http2MaxRequests": 1}}},
    "match": [{"uri": {"prefix": "/"}}],
    "rewrite": {"uri": "/", "authority": "a", "type": "ReplacePrefixMatch"},
    "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx"},
    "headers": {"request": {"add": {"a": "b"}, "remove": ["c"]}, "response": {"set": {"d": "e"}}},
    "corsPolicy": {"allowOrigins": [{"exact": "https://a"}], "maxAge": "24h"},
    "mirror": [{"backendRef": {"name": "m", "port": 80}}],
    "meshName": "m",
    "backends": ["b"],
    "apex": METADATA,
    "primary": METADATA,
    "canary": METADATA,
    "unmanagedMetadata": {"annotations": ["a"], "labels": ["b"]},
}
METRICS: list[Doc] = [
    {"name": "request-success-rate", "interval": "1m", "thresholdRange": {"min": 99}},
    {"name": "old", "interval": "1m30s", "threshold": 99, "query": "up"},
    {"name": "own", "templateRef": {"name": "t", "namespace": "n"}, "templateVariables": {"a": "b"}, "thresholdRange": {"max": 1.5}},
]
WEBHOOKS: list[Doc] = [
    {"name": kind or "none", "type": kind, "url": "http://a", "timeout": "1m", "retries": 2, "metadata": {"a": "b"}}
    for kind in ("", "confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion", "post-rollout")
] + [{"name": kind, "type": kind, "url": "http://a", "muteAlert": True, "disableTLS": True} for kind in ("rollback", "event")]
ANALYSIS: Doc = {
    "interval": "15s",
    "threshold": 10,
    "maxWeight": 50,
    "stepWeight": 5,
    "stepWeightPromotion": 50,
    "mirror": True,
    "mirrorWeight": 100,
    "primaryReadyThreshold": 100,
    "canaryReadyThreshold": 50,
    "match": [{"headers": {"cookie": {"regex": ".*"}}, "sourceLabels": {"a": "b"}, "queryParams": {"a": {"exact": "b"}}}],
    "sessionAffinity": {
        "cookieName": "a",
        "primaryCookieName": "b",
        "domain": "example.com",
        "httpOnly": True,
        "maxAge": 86400,
        "partitioned": True,
        "path": "/",
        "sameSite": "Lax",
        "secure": True,
    },
    "metrics": METRICS,
    "webhooks": WEBHOOKS,
    "alerts": [{"name": "a", "severity": "warn", "providerRef": {"name": "slack", "namespace": "n"}}],
}
CANARY: Doc = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "every"},
    "spec": {
        "provider": "istio",
        "metricsServer": "http://prometheus:9090",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
        "autoscalerRef": {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "name": "a",
            "primaryScalerReplicas": {"minReplicas": 1, "maxReplicas": 3},
            "primaryScalerQueries": {"a": "up"},
        },
        "ingressRef": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "a"},
        "routeRef": {"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "name": "a"},
        "upstreamRef": {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "a", "namespace": "gloo-system"},
        "service": SERVICE,
        "analysis": ANALYSIS,
        "progressDeadlineSeconds": 600,
        "skipAnalysis": False,
        "revertOnDeletion": True,
        "suspend": False,
    },
}
METRIC_TEMPLATE: Doc = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "MetricTemplate",
    "metadata": {"name": "every"},
    "spec": {
        "provider": {
            "type": "prometheus",
            "address": "http://prometheus:9090",
            "secretRef": {"name": "login"},
            "region": "eu-1",
            "headers": {"X-Scope-OrgID": ["a"]},
            "insecureSkipVerify": True,
        },
        "query": "up",
    },
}
ALERT_PROVIDER: Doc = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "AlertProvider",
    "metadata": {"name": "every"},
    "spec": {
        "type": "slack",
        "channel": "general",
        "username": "robot",
        "address": "https://hooks.slack.example",
        "proxy": "http://p:3128",
    },
}
KEY = {"name": "a", "namespace": "n", "key": "values.yaml", "optional": True}
HELM_RELEASE: Doc = {
    "kind": "HelmRelease",
    "metadata": {"name": "every"},
    "spec": {
        "chart": {
            "git": "git@example.com:charts",
            "ref": "master",
            "path": "charts/a",
            "secretRef": {"name": "login", "namespace": "n"},
            "skipDepUpdate": True,
            "repository": "https://charts.example.com",
            "name": "a",
            "version": "1.0.0",
            "chartPullSecret": {"name": "login"},
        },
        "helmVersion": "v3",
        "releaseName": "a",
        "targetNamespace": "b",
        "serviceAccountName": "c",
        "maxHistory": 10,
        "timeout": 300,
        "wait": True,
        "forceUpgrade": False,
        "resetValues": True,
        "skipCRDs": False,
        "disableOpenAPIValidation": False,
        "valueFileSecrets": [{"name": "a"}],
        "valuesFrom": [
            {"configMapKeyRef": KEY},
            {"secretKeyRef": KEY},
            {"externalSourceRef": {"url": "https://example.com/values.yaml", "optional": True}},
            {"chartFileRef": {"path": "values-eu.yaml", "optional": True}},
        ],
        "values": {"image": {"tag": "3.1.0", "backend": "http://backend"}, "list": [1, "a", None]},
        "rollback": {
            "enable": True,
            "retry": True,
            "maxRetries": 5,
            "force": True,
            "recreate": False,
            "disableHooks": False,
            "timeout": 300,
            "wait": True,
        },
        "test": {"enable": True, "ignoreFailures": False, "timeout": 300, "cleanup": True},
    },
}
EVERY = [
    CANARY,
    METRIC_TEMPLATE,
    ALERT_PROVIDER,
    {**HELM_RELEASE, "apiVersion": "flux.weave.works/v1beta1"},
    {**HELM_RELEASE, "apiVersion": "helm.fluxcd.io/v1"},
]
