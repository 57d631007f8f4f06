"""The Events we write, as values."""

import re
from datetime import UTC, datetime

import pytest

from gitops_canary.adapters.cluster.stories import event
from gitops_canary.domain.resources import Doc
from gitops_canary.ports import Sentence

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def about(name: str = "frontend", namespace: str = "test", uid: str = "u1") -> Doc:
    return {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": name, "namespace": namespace, "uid": uid}}


def name(doc: Doc, key: str = "run-1/3") -> str:
    return str(event(doc, Sentence("said"), key, NOW)["metadata"]["name"])


def test_the_name_is_made_of_object_and_key_alone() -> None:
    assert name(about()) == str(event(about(), Sentence("other", warning=True), "run-1/3", NOW.replace(hour=9))["metadata"]["name"])
    assert len({name(about()), name(about(), "run-1/4"), name(about(uid="u2")), name(about("backend"))}) == 4


def test_names_sort_as_the_story_was_told_and_not_by_digest() -> None:
    orders = [f"00001-{tick:05d}-{place:05d}" for tick in range(12) for place in (10, 50, 9000)]
    names = [str(event(about(), Sentence(one, order=one), one, NOW)["metadata"]["name"]) for one in orders]
    assert names == sorted(names)
    assert all(SUBDOMAIN.fullmatch(one) for one in names)


@pytest.mark.parametrize("odd", ["system:node", "x" * 253, "a" * 199 + "-b", "A.b-", "a.b"])
def test_every_objects_name_makes_a_valid_one(odd: str) -> None:
    made = name(about(odd))
    assert SUBDOMAIN.fullmatch(made)
    assert len(made) <= 253


def test_a_cluster_scoped_object_is_told_about_in_default() -> None:
    made = event({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}, Sentence("said"), "k", NOW)
    assert made["metadata"]["namespace"] == "default"
    assert "namespace" not in made["involvedObject"]


def test_a_sentence_longer_than_the_api_takes_is_cut() -> None:
    assert len(event(about(), Sentence("x" * 5000), "k", NOW)["message"]) == 1024
