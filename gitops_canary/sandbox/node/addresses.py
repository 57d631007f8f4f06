"""Where pods listen: a loopback address each where the system has 127/8 (Linux), else ports of 127.0.0.1."""

import contextlib
import random
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gitops_canary.adapters.accepting import Listener, listening
from gitops_canary.domain.errors import Unavailable

KUBELET_PORT = 10250
FIRST, LAST = 20, 250


@dataclass(frozen=True)
class Place:
    """A pod's address, and which real port stands for each of its ports where addresses are not enough."""

    address: str
    ports: dict[int, int] = field(default_factory=dict, hash=False)

    def port(self, wanted: int) -> int:
        return self.ports.get(wanted, wanted)


class Addresses:
    """127.N.0.1 is the node (whoever holds its kubelet port owns 127.N.0.0/16), 127.N.0.2 and up are pods."""

    def __init__(self, *, own_addresses: bool | None = None) -> None:
        """`own_addresses` None = find out."""
        self.own_addresses = _has_loopback_net() if own_addresses is None else own_addresses
        self.kubelet = self._claim()
        self.node: str = self.kubelet.getsockname()[0]
        self._free = self._pods()
        self._used: set[str] = set()

    def take(self, ports: Sequence[int]) -> Place:
        """A place for a pod with these container ports."""
        if not self.own_addresses:
            return Place("127.0.0.1", dict(zip(ports, _free_ports(len(ports)), strict=True)))
        address = next(address for address in self._free if address not in self._used)
        self._used.add(address)
        return Place(address)

    def give_back(self, place: Place) -> None:
        self._used.discard(place.address)

    def close(self) -> None:
        self.kubelet.close()

    def _claim(self) -> Listener:
        if not self.own_addresses:
            return listening("127.0.0.1", 0)
        nets = list(range(FIRST, LAST))
        random.shuffle(nets)
        for net in nets:
            with contextlib.suppress(OSError):
                return listening(f"127.{net}.0.1", KUBELET_PORT)
        raise Unavailable(f"cannot start a node: port {KUBELET_PORT} is taken on every address 127.{FIRST}.0.1 to 127.{LAST}.0.1")

    def _pods(self) -> Iterator[str]:
        """Round and round, so that an address is not used again at once."""
        net = self.node.rpartition(".")[0].rpartition(".")[0]
        while True:
            for number in range(2, 65_000):
                if number % 256 not in (0, 255):
                    yield f"{net}.{number // 256}.{number % 256}"


def _has_loopback_net() -> bool:
    try:
        socket.create_server(("127.1.2.3", 0)).close()
    except OSError:
        return False
    return True


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]
