"""Many read-only mirrors, one a URL: where charts in Git come from. The cluster repository has a mirror of its own."""

import threading
from collections import OrderedDict

from gitops_canary.adapters.git.mirror import Export, Mirror
from gitops_canary.adapters.git.transport import Transport

_READERS = 16  # mirrors that keep their reader process; it is started again when needed


class Mirrors:
    """Safe to share between threads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._mirrors: OrderedDict[str, Mirror] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, url: str) -> Mirror:
        """The mirror of that URL; UserError for a URL that may not be used."""
        remote = self._transport.url(url)
        with self._lock:
            mirror = self._mirrors.setdefault(remote.text, Mirror(url, self._transport))
            self._mirrors.move_to_end(remote.text)
            idle = list(self._mirrors.values())[:-_READERS]
        for other in idle:
            other.close()
        return mirror

    def export(self, url: str, ref: str, path: str) -> Export:
        """Fetch `ref` (branch, tag or commit; a commit that is there already costs no request) and put its folder `path` on disk. UserError
        names URL and ref when it cannot be had, Unavailable when the host does not answer."""
        mirror = self.at(url)
        return mirror.export(mirror.fetch(ref), path)

    def close(self) -> None:
        """End all reader processes. The transport is the caller's."""
        with self._lock:
            mirrors, self._mirrors = list(self._mirrors.values()), OrderedDict()
        for mirror in mirrors:
            mirror.close()
