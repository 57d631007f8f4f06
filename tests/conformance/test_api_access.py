"""Who may do what: roles, service accounts, impersonation, reviews; and what is refused wherever it comes from."""

from typing import Any

import pytest

from tests.conformance.client import Api
from tests.conformance.objects import config_map, deployment

RULES = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"], "verbs": ["update", "patch"]},
    {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["*"]},
]


@pytest.fixture
def worker(api: Api) -> Api:
    """A service account that may read ConfigMaps, write one, and scale Deployments, in its namespace."""
    api.create("serviceaccounts", {"metadata": {"name": "worker"}})
    api.create("roles", {"metadata": {"name": "r"}, "rules": RULES})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    subjects = [{"kind": "ServiceAccount", "name": "worker", "namespace": api.ns}]
    bound = api.create("rolebindings", {"metadata": {"name": "b"}, "roleRef": reference, "subjects": subjects})
    assert bound.code == 201, bound.body
    for name in ("mine", "other"):
        api.create("configmaps", config_map(name))
    api.create("deployments", deployment("web", 0))
    return api


def _as(api: Api) -> dict[str, Any]:
    return {"headers": {"Impersonate-User": f"system:serviceaccount:{api.ns}:worker"}}


ALLOWED: dict[str, tuple[str, str, Any, int]] = {
    "get": ("GET", "configmaps/other", None, 200),
    "list": ("GET", "configmaps", None, 200),
    "watch": ("GET", "configmaps?watch=true&timeoutSeconds=1", None, 403),
    "create": ("POST", "configmaps", config_map("new"), 403),
    "patch one by name": ("PATCH", "configmaps/mine", {"data": {"x": "1"}}, 200),
    "patch another": ("PATCH", "configmaps/other", {"data": {"x": "1"}}, 403),
    "delete": ("DELETE", "configmaps/mine", None, 403),
    "another kind": ("GET", "secrets", None, 403),
    "another namespace": ("GET", "../default/configmaps", None, 403),
}


@pytest.mark.parametrize(("method", "where", "body", "code"), ALLOWED.values(), ids=ALLOWED)
def test_a_role_allows_what_it_says_and_no_more(worker: Api, method: str, where: str, body: Any, code: int) -> None:
    space = "default" if where.startswith("../default/") else worker.ns
    path = f"api/v1/namespaces/{space}/{where.removeprefix('../default/')}"
    answer = worker.request(method, path, body, "application/merge-patch+json" if method == "PATCH" else "application/json", **_as(worker))
    assert answer.code == code, answer.body


def test_a_refusal_names_user_verb_and_resource(worker: Api) -> None:
    refused = worker.request("GET", worker.path("secrets"), **_as(worker))
    user = f"system:serviceaccount:{worker.ns}:worker"
    what = f'User "{user}" cannot list resource "secrets" in API group "" in the namespace "{worker.ns}"'
    assert (refused.code, refused.body["reason"], refused.message) == (403, "Forbidden", f"secrets is forbidden: {what}")


def test_a_subresource_is_granted_apart(worker: Api) -> None:
    scaled = worker.request(
        "PATCH", worker.path("deployments", "web", "scale"), {"spec": {"replicas": 1}}, "application/merge-patch+json", **_as(worker)
    )
    assert scaled.code == 200, scaled.body
    assert worker.request("GET", worker.path("deployments", "web"), **_as(worker)).code == 403


def test_an_account_s_token_acts_as_the_account(worker: Api) -> None:
    made = worker.request("POST", worker.path("serviceaccounts", "worker", "token"), {"spec": {"expirationSeconds": 3600}})
    assert made.code == 201, made.body
    account = worker.as_user(made.body["status"]["token"])
    assert account.get("configmaps", "mine").code == 200
    assert account.create("configmaps", config_map("new")).code == 403
    account.close()


def test_an_unknown_token_is_nobody(api: Api) -> None:
    stranger = api.as_user("no-such-token")
    refused = stranger.get("configmaps", "one")
    assert (refused.code, refused.body["reason"]) == (401, "Unauthorized")
    stranger.close()


def test_only_who_may_impersonates(worker: Api) -> None:
    token = worker.request("POST", worker.path("serviceaccounts", "worker", "token"), {"spec": {}}).body["status"]["token"]
    account = worker.as_user(token)
    refused = account.request("GET", account.path("configmaps"), headers={"Impersonate-User": "admin"})
    assert refused.code == 403
    assert "cannot impersonate" in refused.message
    account.close()


@pytest.mark.parametrize(("verb", "name", "allowed"), [("get", "", True), ("update", "mine", True), ("update", "other", False)])
def test_an_access_review_answers_what_would_happen(worker: Api, verb: str, name: str, allowed: bool) -> None:
    attributes = {"namespace": worker.ns, "verb": verb, "resource": "configmaps", "name": name}
    spec = {"user": f"system:serviceaccount:{worker.ns}:worker", "resourceAttributes": attributes}
    answer = worker.request("POST", "apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    assert (answer.code, answer.body["status"]["allowed"]) == (201, allowed)
    own = worker.request(
        "POST", "apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {"resourceAttributes": attributes}}, **_as(worker)
    )
    assert own.body["status"]["allowed"] is allowed


PATHS: dict[str, tuple[str, str, int]] = {
    "an unknown kind": ("GET", "api/v1/odds", 404),
    "an unknown group": ("GET", "apis/odd.example/v1/things", 404),
    "an unknown version": ("GET", "apis/apps/v2/deployments", 404),
    "an unknown root": ("GET", "odd", 404),
    "an unknown subresource": ("GET", "api/v1/namespaces/default/configmaps/x/odd", 404),
    "a status that is none": ("GET", "api/v1/namespaces/default/configmaps/x/status", 404),
    "a post to a name": ("POST", "api/v1/namespaces/default/configmaps/x", 405),
    "a put to a list": ("PUT", "api/v1/namespaces/default/configmaps", 405),
    "a patch to a list": ("PATCH", "api/v1/namespaces/default/configmaps", 405),
    "a post to all namespaces": ("POST", "api/v1/configmaps", 405),
    "an odd method": ("OPTIONS", "api/v1/namespaces/default/configmaps", 405),
}


@pytest.mark.parametrize(("method", "path", "code"), PATHS.values(), ids=PATHS)
def test_a_path_or_verb_that_is_not_served_is_refused(api: Api, method: str, path: str, code: int) -> None:
    assert api.request(method, path, {} if method != "GET" else None).code == code


OPTIONS: dict[str, tuple[str, dict[str, str], str]] = {
    "dry run": ("POST", {"dryRun": "Some"}, 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
    "field validation": ("POST", {"fieldValidation": "Odd"}, 'fieldValidation: Unsupported value: "Odd"'),
    "propagation": ("DELETE", {"propagationPolicy": "Odd"}, 'propagationPolicy: Unsupported value: "Odd"'),
}


@pytest.mark.parametrize(("method", "query", "told"), OPTIONS.values(), ids=OPTIONS)
def test_an_option_that_is_none_is_invalid(api: Api, method: str, query: dict[str, Any], told: str) -> None:
    api.create("configmaps", config_map())
    path = api.path("configmaps", "one" if method == "DELETE" else "")
    refused = api.request(method, path, config_map("two") if method == "POST" else None, **query)
    assert refused.code == 422
    assert told in refused.message


BODIES: dict[str, tuple[Any, int]] = {
    "no JSON": (b"{", 400),
    "a list": ([], 400),
    "no name": ({"metadata": {}}, 422),
    "a bad name": ({"metadata": {"name": "A_b"}}, 422),
    "a version of its own": ({"metadata": {"name": "x", "resourceVersion": "1"}}, 500),
    "another namespace": ({"metadata": {"name": "x", "namespace": "default"}}, 400),
    "a number as data": ({"metadata": {"name": "x"}, "data": {"a": 1}}, 400),
    "a bad key": ({"metadata": {"name": "x"}, "data": {"a b": "1"}}, 422),
}


@pytest.mark.parametrize(("body", "code"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_object_of_the_kind_is_refused(api: Api, body: Any, code: int) -> None:
    refused = api.request("POST", api.path("configmaps"), body)
    assert (refused.code, refused.body["kind"]) == (code, "Status"), refused.body


@pytest.mark.parametrize(
    "path", ["healthz", "readyz", "livez", "version", "version/", "api", "apis", "api/v1", "apis/apps", "apis/apps/v1", "openapi/v3"]
)
def test_what_clients_ask_first_is_there(api: Api, path: str) -> None:
    assert api.request("GET", path).code == 200
