"""The registry port on the sandbox's registry and on the distribution project's, same cases, same answers."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops_canary.adapters.registry import client
from gitops_canary.adapters.registry.images import OciRegistry, Options
from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.domain.images import ImageRef
from gitops_canary.sandbox.registryd.images import DOCKER, OCI, push_image, push_index
from gitops_canary.sandbox.registryd.store import INDEXES
from tests.adapters.registry.servers import WAYS, Running, kinds, running

BUILT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module", params=[f"{kind}-{way}" for kind in kinds() for way in WAYS])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    kind, way = request.param.split("-")
    with running(kind, way, tmp_path_factory.mktemp(kind)) as one:
        yield one


@pytest.fixture
def registry(served: Running) -> Iterator[OciRegistry]:
    made = OciRegistry(Options(rps=1000, insecure=served.insecure, docker_config=served.docker_config, ca=served.ca))
    yield made
    made.close()


def image(served: Running, name: str) -> ImageRef:
    return ImageRef(f"{served.host}/{name}")


def test_tags_are_listed(served: Running, registry: OciRegistry) -> None:
    for tag in ("1.0.0", "1.0.1", "sha256-" + "0" * 64 + ".sig"):
        push_image(served.target, "team/app", tag)
    assert sorted(registry.tags(image(served, "team/app"))) == ["1.0.0", "1.0.1"]


def test_a_list_of_several_pages_is_read_to_its_end(served: Running, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    tags = [f"1.0.{number}" for number in range(5)]
    for tag in tags:
        push_image(served.target, "paged", tag)
    assert sorted(registry.tags(image(served, "paged"))) == tags


def test_a_list_that_was_read_before_shows_what_came_since(served: Running, registry: OciRegistry) -> None:
    push_image(served.target, "moving", "1.0.0")
    assert registry.tags(image(served, "moving")) == ("1.0.0",)
    push_image(served.target, "moving", "1.0.1")
    assert sorted(registry.tags(image(served, "moving"))) == ["1.0.0", "1.0.1"]


@pytest.mark.parametrize("media_type", [DOCKER, OCI])
def test_an_image_says_its_digest_and_when_it_was_built(served: Running, registry: OciRegistry, media_type: str) -> None:
    pushed = push_image(served.target, "built", "1", created=BUILT, media_type=media_type)
    assert registry.digest(image(served, "built"), "1") == pushed
    assert registry.created(image(served, "built"), "1") == BUILT


@pytest.mark.parametrize("media_type", INDEXES)
def test_b5_the_digest_of_an_index_is_the_indexs_own(served: Running, registry: OciRegistry, media_type: str) -> None:
    pushed = push_index(served.target, "multi", "1", media_type=media_type)
    assert registry.digest(image(served, "multi"), "1") == pushed
    assert registry.created(image(served, "multi"), "1") is not None


def test_b5_a_tag_that_is_pushed_again_has_another_digest(served: Running, registry: OciRegistry) -> None:
    first = push_image(served.target, "again", "1", created=BUILT)
    assert registry.digest(image(served, "again"), "1") == first
    second = push_image(served.target, "again", "1")
    assert registry.digest(image(served, "again"), "1") == second != first
    assert registry.created(image(served, "again"), "1") != BUILT


def test_what_is_not_there_is_named(served: Running, registry: OciRegistry) -> None:
    push_image(served.target, "app", "1.0.0")
    with pytest.raises(UserError, match="cannot list tags of none/such: it is not there"):
        registry.tags(image(served, "none/such"))
    with pytest.raises(UserError, match=r"cannot find app:9\.9\.9: it is not there"):
        registry.digest(image(served, "app"), "9.9.9")


def test_threads_share_one_registry(served: Running, registry: OciRegistry) -> None:
    for number in range(4):
        push_image(served.target, f"shared/{number}", "1.0.0")
    names = [image(served, f"shared/{number % 4}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(registry.tags, names)) == [("1.0.0",)] * 40


def of(*ways: str) -> pytest.MarkDecorator:
    """Only registries that are run in these ways."""
    return pytest.mark.parametrize("served", [f"{kind}-{way}" for kind in kinds() for way in ways], indirect=True)


@of("basic", "token")
def test_without_the_login_nothing_is_told(served: Running) -> None:
    push_image(served.target, "app", "1.0.0")
    with pytest.raises(UserError, match="imagePullSecret"):
        OciRegistry(Options(insecure=served.insecure)).tags(image(served, "app"))


@of("tls")
def test_without_the_ca_nothing_is_asked(served: Running) -> None:
    with pytest.raises(Unavailable, match="certificate verify failed"):
        OciRegistry(Options()).tags(image(served, "app"))


@of("tls")
def test_the_environments_ca_bundle_changes_nothing(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it set, as on many company machines, requests would leave its own `verify` unread."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    push_image(served.target, "app", "1.0.0")
    assert "1.0.0" in OciRegistry(Options(ca=served.ca)).tags(image(served, "app"))


@of("tls")
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_insecure_host_is_asked_over_tls_all_the_same(served: Running) -> None:
    push_image(served.target, "app", "1.0.0")
    assert OciRegistry(Options(insecure=(served.host,))).tags(image(served, "app")) == ("1.0.0",)


@of("basic", "token")
def test_a_wrong_password_is_said_without_the_password(served: Running, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {served.host: {"username": "ann", "password": "hunter2"}}}))
    with pytest.raises(UserError, match="imagePullSecret") as caught:
        OciRegistry(Options(insecure=served.insecure, docker_config=str(config))).tags(image(served, "app"))
    assert "hunter2" not in str(caught.value)


class Rotated:
    """A pull Secret that was changed since it was last read."""

    def __init__(self, host: str) -> None:
        self.passwords, self._host = ["of-yesterday", "secret"], host

    def of(self, image: ImageRef) -> list[tuple[str, dict[str, bytes]]]:
        known = {self._host: {"username": "ann", "password": self.passwords[0]}}
        return [("Secret test/pull", {".dockercfg": json.dumps(known).encode()})]

    def forget(self) -> bool:
        return len(self.passwords) > 1 and bool(self.passwords.pop(0))


@of("basic", "token")
def test_a_login_that_was_changed_in_the_cluster_is_used_at_once(served: Running) -> None:
    push_image(served.target, "app", "1.0.0")
    registry = OciRegistry(Options(insecure=served.insecure), Rotated(served.host))
    assert "1.0.0" in registry.tags(image(served, "app"))


@of("none", "tls")
def test_a_mirror_is_asked_in_docker_hubs_place(served: Running) -> None:
    push_image(served.target, "library/nginx", "1.0.0")
    made = OciRegistry(Options(mirrors=(f"docker.io={served.target.url}",), ca=served.ca))
    assert made.tags(ImageRef("nginx")) == ("1.0.0",)
