"""From the cluster's objects to the data plane's table: which names exist, and which rules serve each; pure."""

from collections.abc import Iterable
from typing import Any

import structlog

from gitops_canary.sandbox.mesh.table import Destination, Endpoint, Host, Rule, Share, Table
from gitops_canary.sandbox.mesh.virtual_services import Plan, Routes, Subsets, Target, read_routes, read_subsets, split_host
from gitops_canary.sandbox.mesh.workloads import Workloads

Doc = dict[str, Any]
log = structlog.get_logger()
HTTP_PORT = 80
FINE = 1000
"""Weights are multiplied by this before they are divided among the workloads of one Service."""


def plan_table(services: Iterable[Doc], pods: Iterable[Doc], virtual_services: Iterable[Doc], destination_rules: Iterable[Doc]) -> Table:
    """The table that serves these objects. Of several VirtualServices for one host the oldest counts, as in Istio's mesh."""
    return _Planning(Workloads(services, pods), read_subsets(destination_rules)).table(_oldest_first(virtual_services))


def _oldest_first(virtual_services: Iterable[Doc]) -> list[Routes]:
    def age(doc: Doc) -> tuple[str, str, str]:
        metadata = doc["metadata"]
        return str(metadata.get("creationTimestamp") or ""), metadata["namespace"], metadata["name"]

    return [routes for doc in sorted(virtual_services, key=age) if (routes := _readable(doc))]


def _readable(doc: Doc) -> Routes | None:
    """A VirtualService that breaks Istio's schema (a cluster without validation lets it in) does not stop the others."""
    try:
        return read_routes(doc)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        where = f"{doc['metadata']['namespace']}/{doc['metadata']['name']}"
        log.warning(f"cannot read VirtualService {where}: {error!r}")
        return None


class _Planning:
    def __init__(self, workloads: Workloads, subsets: Subsets) -> None:
        self._workloads = workloads
        self._subsets = subsets
        self._endpoints: dict[Destination, tuple[Endpoint, ...]] = {}

    def table(self, routes: list[Routes]) -> Table:
        in_mesh: dict[tuple[str, str], Routes] = {}
        outside: dict[str, Routes] = {}
        for entry in routes:
            for host in entry.hosts:
                service, namespace = split_host(host, entry.namespace)
                if (namespace, service) in self._workloads.services:
                    if entry.in_mesh:
                        in_mesh.setdefault((namespace, service), entry)
                else:
                    outside.setdefault(host, entry)
        hosts = [host for name in self._workloads.services for host in self._service_hosts(*name, in_mesh.get(name))]
        hosts += [Host((host,), self._rules(entry.plans, 0), any_port=True) for host, entry in outside.items()]
        return Table(tuple(hosts), self._endpoints)

    def _service_hosts(self, namespace: str, service: str, routes: Routes | None) -> Iterable[Host]:
        for port in self._workloads.ports(namespace, service):
            rules = self._rules(routes.plans, port) if routes else (self._rule(Plan((Target(namespace, service, 100, port),)), port),)
            long = (f"{service}.{namespace}", f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local")
            yield Host(tuple(name for host in long for name in _with_port(host, port)), rules)
            yield Host(tuple(_with_port(service, port)), rules, namespace=namespace)

    def _rules(self, plans: Iterable[Plan], port: int) -> tuple[Rule, ...]:
        return tuple(self._rule(plan, port) for plan in plans)

    def _rule(self, plan: Plan, port: int) -> Rule:
        shares = tuple(share for target in plan.targets for share in self._shares(target, port))
        return Rule(
            shares=shares,
            matches=plan.matches,
            timeout=plan.timeout,
            retries=plan.retries,
            request=plan.request,
            response=plan.response,
            rewrite_uri=plan.rewrite_uri,
            refuse=plan.refuse,
        )

    def _shares(self, target: Target, asked: int) -> list[Share]:
        """A target's weight among the workloads behind its Service, by their ready pods; all of it to the first when none is ready."""
        if not target.weight:
            return []
        found = self._workloads.behind(target.namespace, target.service, self._port(target, asked), self._labels(target))
        self._endpoints |= found
        ready = {destination: len(endpoints) for destination, endpoints in found.items() if endpoints} or {next(iter(found)): 1}
        whole = sum(ready.values())
        return [Share(destination, target.weight * FINE * count // whole) for destination, count in ready.items()]

    def _port(self, target: Target, asked: int) -> int:
        """The port that the route names, else the Service's only one, else the one that was asked for."""
        ports = self._workloads.ports(target.namespace, target.service)
        if target.port or not ports:
            return target.port or asked
        return asked if asked in ports else ports[0]

    def _labels(self, target: Target) -> dict[str, str]:
        return dict(self._subsets.get((target.namespace, target.service, target.subset), {}))


def _with_port(host: str, port: int) -> list[str]:
    return [f"{host}:{port}", host] if port == HTTP_PORT else [f"{host}:{port}"]
