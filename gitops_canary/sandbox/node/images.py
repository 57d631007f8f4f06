"""Which program an image is: asked of a registry over the OCI API; only images that name one of our programs run."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gitops_canary.domain.errors import GitopsCanaryError
from gitops_canary.sandbox.registryd.images import BEHAVIOUR, PROGRAM, Target, read_image

PROGRAMS = ("podinfo", "loadtester", "chart-test", "operator")
DOCKER_HUB = "docker.io"


@dataclass(frozen=True)
class Image:
    """What a pulled image is: `program` is one of PROGRAMS, `behaviour` its label, `version` its tag or label, `id` with digest."""

    program: str
    id: str
    behaviour: str = ""
    version: str = ""


class ImageProblem(Exception):
    """The image cannot run here; `str()` is the sentence for the pod's status."""


class ImageSource(Protocol):
    """Where the node gets images from; ImageProblem says why one cannot be had."""

    async def pull(self, reference: str) -> Image: ...


@dataclass(frozen=True)
class Reference:
    host: str
    repository: str
    tag: str

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"


def read_reference(text: str) -> Reference:
    """Docker's reading: `podinfo` is `docker.io/library/podinfo:latest`; with a digest the tag does not count."""
    rest, _, digest = text.partition("@")
    head, slash, tail = rest.partition("/")
    has_host = bool(slash) and ("." in head or ":" in head or head == "localhost")
    host, path = (head, tail) if has_host else (DOCKER_HUB, rest)
    repository, colon, tag = path.rpartition(":")
    repository, tag = (repository, tag) if colon else (path, "latest")
    if host == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(host, repository, digest or tag)


class RegistryImages:
    """Images of real registries. `hosts` says which registry answers for which image host (`docker.io` included); "" answers for all
    others, and without it they cannot be pulled."""

    def __init__(self, hosts: Mapping[str, Target]) -> None:
        self._hosts = dict(hosts)

    async def pull(self, reference: str) -> Image:
        wanted = read_reference(reference)
        target = self._hosts.get(wanted.host) or self._hosts.get("")
        if target is None:
            raise ImageProblem(f'Failed to pull image "{reference}": the sandbox has no registry for {wanted.host}')
        try:
            digest, config = await asyncio.to_thread(read_image, target, wanted.repository, wanted.tag)
        except GitopsCanaryError as error:
            raise ImageProblem(f'Failed to pull image "{reference}": {error}') from error
        labels = (config.get("config") or {}).get("Labels") or {}
        program = labels.get(PROGRAM, "")
        if program not in PROGRAMS:
            said = f"names the program {program!r}" if program else f"has no label {PROGRAM}"
            raise ImageProblem(f'Failed to pull image "{reference}": it {said}, and the sandbox runs only {", ".join(PROGRAMS)}')
        version = labels.get("org.opencontainers.image.version") or wanted.tag
        return Image(program, f"{wanted.name}@{digest}", labels.get(BEHAVIOUR, ""), version)
