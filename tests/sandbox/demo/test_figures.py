"""Claims about the demo's figures: hops and costs are read off what was seen."""

from gitops_canary.sandbox.apiserver.handling import Asked
from gitops_canary.sandbox.demo.costs import an_advance
from gitops_canary.sandbox.demo.hops import hops_of
from gitops_canary.sandbox.demo.sentences import Line, line_of, public_key, tone, weight_of


def line(second: float, text: str) -> Line:
    return Line(f"2026-01-01T00:00:{second:06.3f}Z", "info", text, {})


BEGAN = 1767225600.0


def test_a_hop_is_the_time_since_the_tag_was_pushed() -> None:
    pushes = [(BEGAN + 0.1, "Auto-release podinfo:3.1.1"), (BEGAN + 9.0, "Promote frontend.test 3.1.1")]
    lines = [line(0.05, "Applied 1 HelmRelease at 1111111"), line(0.2, "Applied 1 HelmRelease at 2222222")]
    lines.append(line(3.0, "Advance frontend.test canary weight 5"))
    hops = hops_of("3.1.1", BEGAN, pushes, lines)
    assert [round(value or 0, 2) for value in (hops.bumped, hops.applied, hops.weighted, hops.result)] == [0.1, 0.2, 3.0, 9.0]


def test_a_hop_that_was_not_seen_is_not_made_up() -> None:
    assert hops_of("3.1.1", BEGAN, [], []).cells() == ["3.1.1", "–", "–", "–", "–"]


def asked(verb: str, resource: str) -> Asked:
    return Asked("system:serviceaccount:gitops-canary:gitops-canary", verb, resource, "test", "x", 200)


def test_an_advance_is_what_lies_between_two_changes_of_weight() -> None:
    one = [asked("patch", "virtualservices"), asked("create", "events"), asked("patch", "canaries/status"), asked("update", "leases")]
    assert an_advance([*one, *one, asked("patch", "virtualservices")]) == (2, 1, 0)
    assert an_advance([*one[:2], asked("get", "pods"), *one[2:], asked("patch", "virtualservices")]) == (2, 1, 1)
    assert an_advance([]) is None


def test_the_key_is_found_in_its_line_and_weights_in_theirs() -> None:
    assert public_key(line_of({"ssh-ed25519 AAAA x": "identity.pub", "msg": "Add it"})) == "ssh-ed25519 AAAA x"
    assert weight_of("Advance frontend.test canary weight 35") == 35
    assert weight_of("Halt frontend.test advancement") is None
    assert [tone("Halt x"), tone("Rolling back x"), tone("Promotion completed! x"), tone("New revision")] == [
        "waiting",
        "bad",
        "good",
        "plain",
    ]
