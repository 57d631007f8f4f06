"""What a data plane needs to know, as values: hosts, rules, shares, endpoints; where they come from and who serves them lives elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

UNKNOWN = "unknown"
"""Istio's word for a workload that nobody can name."""


@dataclass(frozen=True, order=True)
class Destination:
    """What is measured as one: the pods of one workload behind one port of one Service."""

    namespace: str
    workload: str
    service: str
    port: int

    @property
    def host(self) -> str:
        return f"{self.service}.{self.namespace}.svc.cluster.local"


@dataclass(frozen=True, order=True)
class Endpoint:
    address: str
    port: int


@dataclass(frozen=True)
class Share:
    """`weight` is relative to the sum over the rule's shares."""

    destination: Destination
    weight: int


@dataclass(frozen=True)
class Text:
    """A condition on a string; `present` asks only that there is one."""

    kind: Literal["exact", "prefix", "regex", "present"]
    value: str = ""


@dataclass(frozen=True)
class Match:
    """All conditions must hold; header names in lower case."""

    uri: Text | None = None
    method: Text | None = None
    headers: tuple[tuple[str, Text], ...] = ()
    without: tuple[tuple[str, Text], ...] = ()


@dataclass(frozen=True)
class Headers:
    """Changes on a message's headers, in this order: set, add, remove."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retries:
    """How often a request is sent again: when no connection was made (always), and on a 5xx when `on_5xx`."""

    attempts: int = 2
    on_5xx: bool = False
    per_try: float | None = None


@dataclass(frozen=True)
class Rule:
    """Serves requests that one of `matches` fits (none = all) from its shares; `refuse` answers 503 with that sentence instead."""

    shares: tuple[Share, ...] = ()
    matches: tuple[Match, ...] = ()
    timeout: float | None = None
    retries: Retries = field(default_factory=Retries)
    request: Headers = field(default_factory=Headers)
    response: Headers = field(default_factory=Headers)
    rewrite_uri: str = ""
    refuse: str = ""


@dataclass(frozen=True)
class Host:
    """Names as they stand in a request's authority (`backend.test:9898`, `*.example.com`); `namespace` limits them to requests from there.

    `any_port`: the names hold with every port."""

    names: tuple[str, ...]
    rules: tuple[Rule, ...]
    namespace: str = ""
    any_port: bool = False


@dataclass(frozen=True)
class Table:
    """The whole mesh. Every destination of a rule has an entry in `endpoints`, empty when no pod is ready."""

    hosts: tuple[Host, ...] = ()
    endpoints: Mapping[Destination, tuple[Endpoint, ...]] = field(default_factory=dict)
