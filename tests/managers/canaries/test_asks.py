"""What is asked for a metric: inline queries and MetricTemplates with the canary's own words filled in, and what cannot be asked."""

from typing import Any

import pytest
import yaml

from gitops_canary.domain.canary.model import Answered, Check
from gitops_canary.domain.canary.reading import canary_spec
from gitops_canary.domain.canary.status import CanaryStatus
from gitops_canary.managers.canaries.asks import Asks
from gitops_canary.ports import QueryAsk
from tests.commands.repositories import CANARY
from tests.memory.cluster import MemoryCluster

QUERY = 'up{app="{{ target }}", ns="{{ namespace }}", name="{{name}}", of="{{- service -}}", x="{{ variables.x }}"}[{{ interval }}]'
FILLED = 'up{app="web", ns="test", name="web", of="web", x="y"}[15s]'
TEMPLATE = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "MetricTemplate",
    "metadata": {"name": "own", "namespace": "test"},
    "spec": {"provider": {"type": "prometheus", "address": "http://own:9090"}, "query": QUERY},
}


def asked(metric: dict[str, Any], template: dict[str, Any] = TEMPLATE) -> QueryAsk | Answered:
    cluster = MemoryCluster()
    cluster.apply(template, manager="test")
    doc = yaml.safe_load(CANARY)
    doc["spec"]["analysis"]["metrics"] = [{"name": "a", **metric}]
    spec = canary_spec(doc)
    check = Check("k", "metric", metric=spec.metrics[0], window=15.0)
    ask = Asks(cluster, "http://given:9090").ask(spec, CanaryStatus(), check)
    assert isinstance(ask, QueryAsk | Answered)
    return ask


def test_R9_an_inline_query_is_filled_in_as_a_templates_is() -> None:
    told = asked({"query": QUERY, "templateVariables": {"x": "y"}})
    assert told == QueryAsk("k", "http://given:9090", 15.0, expression=FILLED)
    told = asked({"templateRef": {"name": "own"}, "templateVariables": {"x": "y"}})
    assert told == QueryAsk("k", "http://own:9090", 15.0, expression=FILLED)


@pytest.mark.parametrize(
    ("metric", "spec", "sentence"),
    [
        pytest.param({"query": "up{{ bogus }}"}, {}, "cannot render the query of metric a: it has no value for bogus", id="a word"),
        pytest.param({"query": "up{{ range . }}"}, {}, "only plain functions such as {{ target }} are supported", id="a loop"),
        pytest.param({"templateRef": {"name": "none"}}, {}, "cannot ask MetricTemplate none.test: there is none", id="no template"),
        pytest.param(
            {"templateRef": {"name": "own"}},
            {"provider": {"type": "datadog"}},
            "cannot ask MetricTemplate own.test: provider type datadog is not supported yet",
            id="another provider",
        ),
        pytest.param(
            {"templateRef": {"name": "own"}},
            {"provider": {"type": "prometheus", "secretRef": {"name": "s"}}},
            "cannot ask MetricTemplate own.test: provider.secretRef is not supported yet",
            id="a login",
        ),
    ],
)
def test_R10_a_query_that_cannot_be_put_is_an_answer_with_its_sentence(metric: dict[str, Any], spec: dict[str, Any], sentence: str) -> None:
    told = asked(metric, {**TEMPLATE, "spec": {**TEMPLATE["spec"], **spec}})  # type: ignore[dict-item]
    assert isinstance(told, Answered)
    assert sentence in told.message
