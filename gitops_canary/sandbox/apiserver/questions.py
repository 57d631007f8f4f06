"""Kinds that are questions: may this user do that, who am I, whose token is this."""

from typing import Any

from gitops_canary.sandbox.apiserver.access import Access, Attributes, Tokens, User
from gitops_canary.sandbox.apiserver.problems import Problem, bad_request, no_such_path

Doc = dict[str, Any]


def answered(access: Access, tokens: Tokens, user: User, plural: str, body: Any) -> Doc:
    """The question with its status filled in."""
    if not isinstance(body, dict):
        raise bad_request("the body is no review")
    spec = body.get("spec") or {}
    if plural == "selfsubjectaccessreviews":
        return {**body, "status": {"allowed": access.allows(user, _asked(spec))}}
    if plural == "subjectaccessreviews":
        if not access.allows(user, Attributes("create", "authorization.k8s.io", plural)):
            raise Problem(403, "Forbidden", f'User "{user.name}" cannot create resource "{plural}"')
        other = User(str(spec.get("user", "")), tuple(spec.get("groups") or ()))
        return {**body, "status": {"allowed": access.allows(other, _asked(spec))}}
    if plural == "selfsubjectrulesreviews":
        rules = [dict(rule) for rule in access.rules(user, str(spec.get("namespace", "")))]
        return {**body, "status": {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}}
    if plural == "selfsubjectreviews":
        return {**body, "status": {"userInfo": {"username": user.name, "groups": list(user.groups)}}}
    if plural == "tokenreviews":
        try:
            found = tokens.user(f"Bearer {spec.get('token', '')}")
        except Problem:
            return {**body, "status": {"authenticated": False}}
        return {**body, "status": {"authenticated": True, "user": {"username": found.name, "groups": list(found.groups)}}}
    raise no_such_path(f"/{plural}")


def _asked(spec: Doc) -> Attributes:
    one = spec.get("resourceAttributes")
    if one:
        resource = f"{one.get('resource', '')}/{one['subresource']}" if one.get("subresource") else str(one.get("resource", ""))
        return Attributes(
            str(one.get("verb", "")), str(one.get("group", "")), resource, str(one.get("namespace", "")), str(one.get("name", ""))
        )
    path = spec.get("nonResourceAttributes") or {}
    return Attributes(str(path.get("verb", "")), path=str(path.get("path", "")))
