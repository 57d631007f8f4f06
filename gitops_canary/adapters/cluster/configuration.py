"""Which API server and with which credentials: kubeconfig, exec plugins, the pod's service account, by the `kubernetes` package.

The only file that imports it, and only when a connection is made: it is slow to import.
"""

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitops_canary.adapters.cluster.connection import Connection, Limits
from gitops_canary.domain.errors import UserError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def connect(kubeconfig: str = "", context: str = "", limits: Limits | None = None) -> Connection:
    """By the kubeconfig that is given; else, inside a pod, by its service account; else by the default kubeconfig."""
    inside = bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (ACCOUNT / "token").is_file()
    return in_cluster(limits) if inside and not (kubeconfig or context) else from_kubeconfig(kubeconfig, context, limits)


def from_kubeconfig(path: str = "", context: str = "", limits: Limits | None = None) -> Connection:
    """By a kubeconfig file ("" = KUBECONFIG or ~/.kube/config), exec plugins included; UserError when it cannot be used."""

    def load() -> "ApiClient":
        import yaml
        from kubernetes import client, config

        settings = client.Configuration()
        try:
            load_config: Any = config.load_kube_config
            load_config(path or None, context=context or None, client_configuration=settings, persist_config=False)
        except (config.ConfigException, OSError, ValueError) as error:
            raise _unusable(path, str(error).rstrip(".")) from error
        except (yaml.YAMLError, TypeError, KeyError, IndexError, AttributeError) as error:
            # The client trusts a file's shape; what it then stumbles over says nothing to a person.
            mark = getattr(error, "problem_mark", None)
            raise _unusable(path, f"it is no kubeconfig (line {mark.line + 1} is no YAML)" if mark else "it is no kubeconfig") from error
        return _client(settings, limits or Limits())

    return Connection(load, limits)


def _unusable(path: str, why: str) -> UserError:
    hint = "name one with --kubeconfig, or in the variable KUBECONFIG"
    return UserError(f"cannot use the kubeconfig {path or '(default)'}: {why}", hint=hint)


def in_cluster(limits: Limits | None = None, account: Path = ACCOUNT) -> Connection:
    """By the pod's service account; its token is read again each minute, and at once when it is refused."""

    def load() -> "ApiClient":
        from kubernetes import client
        from kubernetes.config import ConfigException
        from kubernetes.config.incluster_config import InClusterConfigLoader

        settings = client.Configuration()
        try:
            loader: Any = InClusterConfigLoader
            loader(str(account / "token"), str(account / "ca.crt")).load_and_set(settings)
        except (ConfigException, OSError) as error:
            raise UserError(f"cannot use the pod's service account: {error}", hint="outside a cluster give --kubeconfig") from error
        return _client(settings, limits or Limits())

    return Connection(load, limits)


def _client(settings: Any, limits: Limits) -> "ApiClient":
    from kubernetes import client

    settings.connection_pool_maxsize = limits.connections
    # Dead peers are noticed below us too, as client-go does.
    settings.keep_alive = True
    if _is_loopback(settings.host):
        # Go's clients never send loopback through HTTPS_PROXY; Python's would.
        settings.proxy = None
    return client.ApiClient(settings)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
