"""What a check says: the finding, its place and the edit that would mend it. Who finds and who edits stands elsewhere."""

from dataclasses import dataclass
from typing import Literal

from gitops_canary.domain.resources import Resource

Path = tuple[str | int, ...]
Level = Literal["error", "warning", "note"]

CODES = {
    "unreadable": "a file, or an object in it, that cannot be read",
    "api-version": "an object of ours in a version that nothing here serves",
    "name": "a name that Kubernetes or Helm refuses",
    "schema": "a field that the object's schema refuses or drops",
    "duplicate": "one object in two places",
    "two-groups": "one HelmRelease name in both API groups",
    "namespace": "a namespace that nothing makes, or that is made too late",
    "annotation": "an annotation of automation that is probably misspelt",
    "filter": "a tag filter that cannot be used",
    "image": "an image or tag that cannot be read",
    "release": "a HelmRelease that cannot be used",
    "canary": "a Canary that cannot be used",
    "chart": "a chart that is not there or cannot be used",
    "chart-url": "a chart's address that is probably misspelt",
    "nested": "values that stand below image by accident",
    "backend": "a backend's address that nothing answers to",
    "gateway": "a route that is bound to a gateway without mesh",
    "render": "a chart that does not render",
    "owner": "an object or field of a chart that the canary owns",
}
"""Every kind of finding with what it is; the codes are for machines and do not change."""


@dataclass(frozen=True)
class SetText:
    """Replace the scalar at `path` by `text`."""

    path: Path
    text: str


@dataclass(frozen=True)
class Quote:
    """Put the scalar at `path` into quotes, as it is written."""

    path: Path


@dataclass(frozen=True)
class MoveOut:
    """Move `keys` of the mapping at `path` up beside it: only their indentation changes."""

    path: Path
    keys: tuple[str, ...]


Mend = SetText | Quote | MoveOut


@dataclass(frozen=True)
class Finding:
    """One thing to mend. An `error` fails the check; a `warning` and a `note` do not. `file`:`line` is where; `document` and `path` (from
    that document's root) say it exactly. `mend` is the edit that puts it right, `mended` the lines as they would stand after it."""

    file: str
    line: int
    level: Level
    code: str
    sentence: str
    document: int = 0
    path: Path = ()
    mend: Mend | None = None
    mended: str = ""


def at(resource: Resource, path: Path, level: Level, code: str, sentence: str, mend: Mend | None = None) -> Finding:
    """A finding about `path` (from the object's root) of a resource; its line is the object's until the file is asked for a nearer one."""
    return Finding(resource.file, resource.line, level, code, sentence, resource.document, (*resource.within, *path), mend)
