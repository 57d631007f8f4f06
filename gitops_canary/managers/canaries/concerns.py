"""Which objects each canary looks at, and so whom a changed object concerns; the watch's thread asks, the lane writes."""

from gitops_canary.domain.canary.spec import CANARY

Place = tuple[str, str, str]
"""Kind, namespace and name."""


class Concerns:
    def __init__(self) -> None:
        self._watched: dict[Place, frozenset[str]] = {}
        self._places: dict[str, frozenset[Place]] = {}

    def keys(self) -> frozenset[str]:
        """All known canaries."""
        return frozenset(self._places)

    def know(self, key: str) -> None:
        """A canary, whatever it looks at."""
        self._places.setdefault(key, frozenset())

    def look_at(self, key: str, places: frozenset[Place]) -> None:
        old = self._places.get(key, frozenset())
        for place in old - places:
            self._watched[place] = self._watched.get(place, frozenset()) - {key}
        for place in places - old:
            self._watched[place] = self._watched.get(place, frozenset()) | {key}
        self._places[key] = places

    def forget(self, key: str) -> None:
        self.look_at(key, frozenset())
        self._places.pop(key, None)

    def of(self, kind: str, namespace: str, name: str) -> frozenset[str]:
        """The canaries that a changed object concerns. Thread-safe (reads one dict)."""
        if kind == CANARY[1]:
            return frozenset({f"{namespace}/{name}"})
        return self._watched.get((kind, namespace, name), frozenset())
