"""Who asks and whether they may: bearer tokens, impersonation, RBAC evaluation over the stored roles and bindings."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.sandbox.apiserver.problems import Problem
from gitops_canary.sandbox.apiserver.store import Store

RBAC = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True)
class User:
    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attributes:
    """One question: may the user do `verb` to that resource? `path` for requests that are about no resource."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def service_account(namespace: str, name: str) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


@dataclass
class Tokens:
    """Bearer tokens in memory: users of the kubeconfigs, and service accounts' issued ones."""

    users: dict[str, User] = field(default_factory=dict)

    def issue(self, user: User) -> str:
        token = secrets.token_urlsafe(32)
        self.users[token] = user
        return token

    def user(self, authorization: str) -> User:
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or token.strip() not in self.users:
            raise Problem(401, "Unauthorized", "Unauthorized")
        return self.users[token.strip()]


class Access:
    def __init__(self, store: Store) -> None:
        self._store = store

    def allows(self, user: User, asked: Attributes) -> bool:
        if MASTERS in user.groups or _open_to_all(user, asked):
            return True
        return any(_rule_allows(rule, asked) for rule in self._rules(user, asked.namespace))

    def rules(self, user: User, namespace: str) -> list[Mapping[str, Any]]:
        return list(self._rules(user, namespace))

    def impersonated(self, user: User, headers: Mapping[str, str], groups: list[str]) -> User:
        """The user to act as; 403 unless the real one may impersonate every part of it."""
        name = headers.get("Impersonate-User", "")
        if not name:
            return user
        parts = name.split(":")
        account = parts[:2] == ["system", "serviceaccount"] and len(parts) == 4
        asked = (
            Attributes("impersonate", resource="serviceaccounts", namespace=parts[2], name=parts[3])
            if account
            else Attributes("impersonate", resource="users", name=name)
        )
        for one in (asked, *(Attributes("impersonate", resource="groups", name=group) for group in groups)):
            if not self.allows(user, one):
                where = f' in the namespace "{one.namespace}"' if one.namespace else " at the cluster scope"
                who = f'User "{user.name}" cannot impersonate resource "{one.resource}" in API group ""'
                message = f'{one.resource} "{one.name}" is forbidden: {who}{where}'
                raise Problem(403, "Forbidden", message)
        if account and not groups:
            return service_account(parts[2], parts[3])
        return User(name, (*groups, AUTHENTICATED))

    def _rules(self, user: User, namespace: str) -> Iterator[Mapping[str, Any]]:
        for binding in self._store.all((RBAC, "clusterrolebindings")):
            if _binds(binding, user):
                yield from self._role_rules(binding["roleRef"], "")
        if namespace:
            for binding in self._store.all((RBAC, "rolebindings"), namespace):
                if _binds(binding, user):
                    yield from self._role_rules(binding["roleRef"], namespace)

    def _role_rules(self, reference: Mapping[str, Any], namespace: str) -> list[Mapping[str, Any]]:
        if reference.get("kind") == "ClusterRole":
            role = self._store.get((RBAC, "clusterroles"), ("", str(reference["name"])))
        else:
            role = self._store.get((RBAC, "roles"), (namespace, str(reference["name"])))
        if role is None:
            return []
        if role.get("aggregationRule"):
            return self._aggregated(role["aggregationRule"])
        return list(role.get("rules") or ())

    def _aggregated(self, rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for selector in rule.get("clusterRoleSelectors") or ():
            wanted = (selector.get("matchLabels") or {}).items()
            for role in self._store.all((RBAC, "clusterroles")):
                if wanted <= (role["metadata"].get("labels") or {}).items() and not role.get("aggregationRule"):
                    found += role.get("rules") or ()
        return found


def _open_to_all(user: User, asked: Attributes) -> bool:
    """Discovery and questions about oneself, as the stock roles grant them."""
    if asked.path:
        return asked.verb == "get"
    own = asked.resource in ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")
    return own and asked.verb == "create"


def _binds(binding: Mapping[str, Any], user: User) -> bool:
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == user.name:
            return True
        if kind == "Group" and name in user.groups:
            return True
        if kind == "ServiceAccount" and user.name == f"system:serviceaccount:{subject.get('namespace')}:{name}":
            return True
    return False


def _rule_allows(rule: Mapping[str, Any], asked: Attributes) -> bool:
    if asked.path:
        return _has(rule.get("verbs"), asked.verb) and _has(rule.get("nonResourceURLs"), asked.path)
    names = rule.get("resourceNames")
    return (
        _has(rule.get("verbs"), asked.verb)
        and _has(rule.get("apiGroups"), asked.group)
        and _has_resource(rule.get("resources"), asked.resource)
        and (not names or asked.name in names)
    )


def _has(listed: Any, wanted: str) -> bool:
    return bool(listed) and ("*" in listed or wanted in listed)


def _has_resource(listed: Any, wanted: str) -> bool:
    if _has(listed, wanted):
        return True
    _, slash, sub = wanted.partition("/")
    return bool(slash) and bool(listed) and f"*/{sub}" in listed


_READ, _WRITE = ["get", "list", "watch"], ["create", "update", "patch", "delete", "deletecollection"]


def stock_roles() -> list[dict[str, Any]]:
    """cluster-admin, and admin, edit and view as far as the served kinds go."""
    groups = ["", "apps", "batch", "autoscaling", "networking.k8s.io", "policy"]
    everything = {"apiGroups": groups, "resources": ["*"], "verbs": [*_READ, *_WRITE]}
    roles = {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": [*_READ, *_WRITE]}
    rules: dict[str, list[dict[str, Any]]] = {
        "cluster-admin": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}],
        "admin": [everything, roles],
        "edit": [everything],
        "view": [{"apiGroups": groups, "resources": ["*"], "verbs": _READ}],
    }
    return [
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": found} for name, found in rules.items()
    ] + [
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "cluster-admin"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": MASTERS}],
        }
    ]
