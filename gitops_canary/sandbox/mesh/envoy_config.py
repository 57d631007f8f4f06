"""The table as Envoy's own resources (bootstrap, clusters, routes); names given to clusters are the caller's."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gitops_canary.sandbox.mesh.identity import authorization_prefix
from gitops_canary.sandbox.mesh.table import Destination, Endpoint, Headers, Host, Match, Retries, Rule, Table, Text

Resource = dict[str, Any]
Name = Callable[[Destination], str]
ROUTES = "mesh"
TYPES = "type.googleapis.com/envoy."
LIMITS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
HOP_HEADERS = ["proxy-authorization", "proxy-connection"]
NO_HOST = "cannot reach this host: the mesh knows no such host (a Service is SERVICE.NAMESPACE:PORT)\n"
NO_ROUTE = "cannot reach this path: no route of its VirtualService matches\n"
NO_WEIGHT = "cannot reach this host: its route has no destination with a weight\n"


def bootstrap(folder: Path, host: str, port: int, admin: str, flush: float) -> Resource:
    """Envoy's own configuration: one listener on host:port (0 = any), everything else from files in `folder`; `flush` in seconds."""
    return {
        "node": {"id": "mesh", "cluster": "sandbox"},
        "admin": {"address": _socket(admin, 0)},
        "stats_flush_interval": f"{flush:.3f}s",
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"safe_regex": {"regex": STATS}}]}}},
        "dynamic_resources": {"cds_config": _from_file(folder / "clusters.json")},
        "static_resources": {"listeners": [_listener(folder, host, port)]},
    }


STATS = r"cluster\.d\d+\.(upstream_rq_\d+|upstream_rq_time|upstream_cx_none_healthy)|.*\.(cds|rds)\..*|listener\..*"
"""What Envoy keeps at all: the rest of its 1,300 numbers per cluster would only cost."""


def clusters(destinations: Mapping[Destination, tuple[Endpoint, ...]], name: Name, version: str) -> Resource:
    """One cluster per destination: its counters are the destination's. Endpoints stand inside: a file for each cluster would cost Envoy
    an inotify instance each, of which Linux gives a user 128."""
    return {"version_info": version, "resources": [_cluster(name(to), found) for to, found in sorted(destinations.items())]}


def _cluster(name: str, endpoints: tuple[Endpoint, ...]) -> Resource:
    found = [{"endpoint": {"address": _socket(endpoint.address, endpoint.port)}} for endpoint in endpoints]
    return {
        "@type": f"{TYPES}config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": found}] if found else []},
        "circuit_breakers": {"thresholds": [dict.fromkeys(LIMITS, 10000)]},
    }


def routes(table: Table, name: Name, version: str) -> Resource:
    """All hosts; short names of different namespaces share a virtual host and are told apart by the source that the client names."""
    by_name: dict[tuple[str, ...], list[Host]] = defaultdict(list)
    for host in table.hosts:
        by_name[_domains(host)].append(host)
    hosts: list[Resource] = []
    for number, (domains, same) in enumerate(by_name.items()):
        made = [route for host in same for rule in host.rules for route in _routes(rule, host.namespace, name)]
        last = NO_HOST if all(host.namespace for host in same) else NO_ROUTE
        hosts.append({"name": f"h{number}", "domains": list(domains), "routes": [*made, _direct(404, last)]})
    if not any("*" in domains for domains in by_name):
        hosts.append({"name": "nobody", "domains": ["*"], "routes": [_direct(404, NO_HOST)]})
    configuration = {
        "@type": f"{TYPES}config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "virtual_hosts": hosts,
        "request_headers_to_remove": HOP_HEADERS,
    }
    return {"version_info": version, "resources": [configuration]}


def _domains(host: Host) -> tuple[str, ...]:
    if not host.any_port:
        return host.names
    return tuple(name for given in host.names for name in ([given] if given.startswith("*") else [given, f"{given}:*"]))


def _routes(rule: Rule, namespace: str, name: Name) -> list[Resource]:
    return [_route(rule, match, namespace, name) for match in rule.matches or (Match(),)]


def _route(rule: Rule, match: Match, namespace: str, name: Name) -> Resource:
    condition = _condition(match, namespace)
    if rule.refuse:
        return _direct(503, rule.refuse + "\n", condition)
    if not rule.shares:
        return _direct(503, NO_WEIGHT, condition)
    weighted = [{"name": name(share.destination), "weight": share.weight} for share in rule.shares]
    action: Resource = {
        "weighted_clusters": {"clusters": weighted},
        "timeout": f"{rule.timeout or 0:.3f}s",
        "retry_policy": _retry_policy(rule.retries),
    }
    if rule.rewrite_uri:
        action["regex_rewrite"] = {"pattern": {"regex": "^[^?]*"}, "substitution": rule.rewrite_uri}
    return {"match": condition, "route": action, **_changes("request", rule.request), **_changes("response", rule.response)}


def _condition(match: Match, namespace: str) -> Resource:
    wanted = [_header(name, text) for name, text in match.headers]
    wanted += [{**_header(name, text), "invert_match": True} for name, text in match.without]
    if match.method:
        wanted.append(_header(":method", match.method))
    if namespace:
        wanted.append(_header("proxy-authorization", Text("prefix", authorization_prefix(namespace))))
    return {**_path(match.uri), **({"headers": wanted} if wanted else {})}


def _path(uri: Text | None) -> Resource:
    if uri is None or uri.kind == "present":
        return {"prefix": "/"}
    return {"safe_regex": {"regex": uri.value}} if uri.kind == "regex" else {"path" if uri.kind == "exact" else "prefix": uri.value}


def _header(name: str, text: Text) -> Resource:
    match text.kind:
        case "present":
            return {"name": name, "present_match": True}
        case "regex":
            return {"name": name, "string_match": {"safe_regex": {"regex": text.value}}}
        case _:
            return {"name": name, "string_match": {text.kind: text.value}}


def _retry_policy(retries: Retries) -> Resource:
    """A request that no pod has seen is sent again, to another pod when there is one, as Istio does by default."""
    on = "connect-failure,refused-stream,reset-before-request" + (",5xx" if retries.on_5xx else "")
    policy: Resource = {"retry_on": on, "num_retries": retries.attempts, "host_selection_retry_max_attempts": "3"}
    policy["retry_host_predicate"] = [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{TYPES}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ]
    return policy | ({"per_try_timeout": f"{retries.per_try:.3f}s"} if retries.per_try else {})


def _changes(message: str, headers: Headers) -> Resource:
    put = [(name, value, "OVERWRITE_IF_EXISTS_OR_ADD") for name, value in headers.set]
    put += [(name, value, "APPEND_IF_EXISTS_OR_ADD") for name, value in headers.add]
    made: Resource = {}
    if put:
        made[f"{message}_headers_to_add"] = [
            {"header": {"key": name, "value": value.replace("%", "%%")}, "append_action": action} for name, value, action in put
        ]
    if headers.remove:
        made[f"{message}_headers_to_remove"] = list(headers.remove)
    return made


def _direct(status: int, text: str, condition: Resource | None = None) -> Resource:
    return {"match": condition or {"prefix": "/"}, "direct_response": {"status": status, "body": {"inline_string": text}}}


def _listener(folder: Path, host: str, port: int) -> Resource:
    manager = {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": ROUTES,
        "rds": {"route_config_name": ROUTES, "config_source": _from_file(folder / "routes.json")},
        "preserve_external_request_id": True,
        "server_header_transformation": "PASS_THROUGH",
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{TYPES}extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                    "dynamic_stats": True,
                },
            }
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": "proxy", "address": _socket(host, port), "filter_chains": [chain]}


def _from_file(path: Path) -> Resource:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def _socket(address: str, port: int) -> Resource:
    return {"socket_address": {"address": address, "port_value": port}}
