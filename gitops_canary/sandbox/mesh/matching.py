"""Which rule of the table serves a request: names, conditions and shares as the Python data plane reads them (Envoy has its own eyes)."""

import re
from collections.abc import Mapping

from gitops_canary.sandbox.mesh.table import Host, Match, Rule, Share, Table, Text


class Names:
    """The table's hosts by name."""

    def __init__(self, table: Table) -> None:
        self._exact: dict[tuple[str, str], Host] = {}
        self._wild: list[tuple[str, Host]] = []
        for host in table.hosts:
            for name in host.names:
                if name.startswith("*"):
                    self._wild.append((name[1:], host))
                else:
                    self._exact[host.namespace, name.lower()] = host
        self._wild.sort(key=lambda pair: -len(pair[0]))

    def find(self, authority: str, namespace: str) -> Host | None:
        """The host of an authority (`name` or `name:port`) as seen from a namespace."""
        full, bare = authority.lower(), authority.lower().rpartition(":")[0] or authority.lower()
        if host := self._exact.get((namespace, full)) or self._exact.get(("", full)):
            return host
        if (host := self._exact.get(("", bare))) and host.any_port:
            return host
        return next((host for suffix, host in self._wild if bare.endswith(suffix)), None)


def rule_for(host: Host, method: str, path: str, headers: Mapping[str, str]) -> Rule | None:
    """The first rule that fits; `path` without query, header names in lower case."""
    for rule in host.rules:
        if not rule.matches or any(fits(match, method, path, headers) for match in rule.matches):
            return rule
    return None


def fits(match: Match, method: str, path: str, headers: Mapping[str, str]) -> bool:
    return (
        (match.uri is None or holds(match.uri, path))
        and (match.method is None or holds(match.method, method))
        and all(name in headers and holds(text, headers[name]) for name, text in match.headers)
        and not any(name in headers and holds(text, headers[name]) for name, text in match.without)
    )


def holds(text: Text, value: str) -> bool:
    match text.kind:
        case "exact":
            return value == text.value
        case "prefix":
            return value.startswith(text.value)
        case "regex":
            return re.fullmatch(text.value, value) is not None
        case "present":
            return True


class Turns:
    """Whose turn it is, exactly by weight: after n requests nobody is more than one off (smooth weighted round-robin)."""

    def __init__(self) -> None:
        self._credit: dict[tuple[Share, ...], list[int]] = {}

    def next(self, shares: tuple[Share, ...]) -> Share:
        credit = self._credit.setdefault(shares, [0] * len(shares))
        for index, share in enumerate(shares):
            credit[index] += share.weight
        chosen = max(range(len(shares)), key=credit.__getitem__)
        credit[chosen] -= sum(share.weight for share in shares)
        return shares[chosen]
