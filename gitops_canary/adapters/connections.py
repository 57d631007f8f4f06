"""Connections that look at whom they have reached before they say a word: a name may stand for another address than when it was checked."""

import socket

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from gitops_canary.adapters.guards import forbidden


class _Looking(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        """NewConnectionError when a metadata service answers, or what else nobody may be led to."""
        connected = super()._new_conn()
        reached = str(connected.getpeername()[0])
        if forbidden(reached):
            connected.close()
            raise urllib3.exceptions.NewConnectionError(self, f"it leads to {reached}, a link-local or metadata address")
        return connected


class _LookingTls(_Looking, HTTPSConnection):
    """The look comes before the handshake."""


class _Http(urllib3.HTTPConnectionPool):
    ConnectionCls = _Looking


class _Https(urllib3.HTTPSConnectionPool):
    ConnectionCls = _LookingTls


def looking(pools: urllib3.PoolManager) -> urllib3.PoolManager:
    """The same pools; not for those of a proxy, which resolves names by itself."""
    pools.pool_classes_by_scheme = {"http": _Http, "https": _Https}
    return pools
