"""Laws of bumps: never a downgrade, never a quarantined tag, nothing for what is locked or not automated."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_canary.domain.automation import policies_of
from gitops_canary.domain.bumps import Around, Bump, Offer, plan_bumps
from gitops_canary.domain.quarantine import Quarantined
from gitops_canary.domain.resources import Resource, ref_of
from gitops_canary.domain.semver_ranges import loose_version

TAGS = st.builds("{}.{}.{}".format, st.integers(0, 4), st.integers(0, 4), st.integers(0, 9))
FILTERS = st.sampled_from(["semver:*", "semver:~3.1", "semver:>=1 <4", "semver:^2"])
FLAGS = st.fixed_dictionaries({}, optional={name: st.sampled_from(["true", "false", "True"]) for name in ("automated", "locked", "ignore")})


def resource(tag: str, annotations: dict[str, str]) -> Resource:
    values = {"image": {"repository": "a/b", "tag": tag}}
    meta = {"name": "x", "namespace": "test", "annotations": annotations}
    doc = {"apiVersion": "helm.fluxcd.io/v1", "kind": "HelmRelease", "metadata": meta, "spec": {"values": values}}
    return Resource(ref_of(doc), doc, "x.yaml", 0, 1)


@settings(max_examples=300, deadline=None)
@given(TAGS, TAGS, st.lists(TAGS, max_size=8), st.lists(TAGS, max_size=3), FILTERS)
def test_law_a_bump_goes_to_the_newest_allowed_tag_and_never_back(
    current: str, serves: str, tags: list[str], barred: list[str], text: str
) -> None:
    one = resource(current, {"fluxcd.io/automated": "true", "filter.fluxcd.io/chart-image": text})
    key_id = "x.yaml#HelmRelease/test/x:chart-image"
    quarantine = tuple(Quarantined("a/b", tag, owner="HelmRelease/test/x", container="chart-image") for tag in barred)
    around = Around(quarantine, {key_id: f"a/b:{serves}"})
    bumps, left = plan_bumps([one], {"index.docker.io/a/b": Offer(tuple(tags))}, around)
    assert len(bumps) + len(left) <= 1
    for bump in bumps:
        new = loose_version(bump.tag)
        assert new is not None
        allowed = [tag for tag in tags if policies_of(one).filters["chart-image"].allows(tag)]
        assert new == max(version for tag in allowed if (version := loose_version(tag)) is not None)
        for other in (current, serves, *barred):
            older = loose_version(other)
            assert older is not None
            assert older < new or (other == serves == bump.tag)


@given(FLAGS, st.sampled_from(["fluxcd.io/", "flux.weave.works/"]))
def test_law_only_the_exact_text_true_switches_automation_and_locks(flags: dict[str, str], prefix: str) -> None:
    annotations = {prefix + name: text for name, text in flags.items()}
    bumps, _ = plan_bumps(
        [resource("1.0.0", {**annotations, f"{prefix.replace('fluxcd.io/', 'fluxcd.io/')}tag.chart-image": "semver:*"})],
        {"index.docker.io/a/b": Offer(("2.0.0",))},
        Around(),
    )
    active = flags.get("automated") == "true" and "true" not in (flags.get("locked"), flags.get("ignore"))
    assert bool(bumps) == active
    assert all(isinstance(bump, Bump) and bump.text == "2.0.0" for bump in bumps)
