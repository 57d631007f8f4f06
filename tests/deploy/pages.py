"""The pages that tell how to install and to come from elsewhere, as steps of their sections; tests.guide follows them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.manifests import DEPLOY
from tests.guide.blocks import Step, steps
from tests.guide.reading import Reader, sandbox
from tests.guide.test_guide import programs

ROOT = DEPLOY.parent
INSTALL = (ROOT / "docs" / "install.md").read_text()
MIGRATE = (ROOT / "docs" / "migrate.md").read_text()
FILLED = """
git clone --quiet ${CLONE} cluster
cd cluster
mkdir -p namespaces releases/test
cp ${TEMPLATE}/namespaces/test.yaml namespaces
kubectl create configmap hello --namespace test --from-literal=a=b --dry-run=client -o yaml > releases/test/hello.yaml
git add .
git -c user.name=Reader -c user.email=reader@example.com commit --quiet --message "A cluster"
git push --quiet origin HEAD:main
cd ..
"""
"""A cluster repository with next to nothing in it."""


def of_section(page: str, heading: str) -> list[Step]:
    """The commands below a heading, up to the next heading of any level."""
    before, found, rest = page.partition(f"\n{heading}\n")
    assert found, heading
    lines = rest.split("\n")
    fence, end = False, len(lines)
    for number, line in enumerate(lines):
        fence ^= line.lstrip().startswith("```")
        if not fence and line.startswith("#"):
            end = number
            break
    start = before.count("\n") + 2
    return [Step(step.line + start, step.commands, step.way, step.expected) for step in steps("\n".join(lines[:end]) + "\n")]


@contextlib.contextmanager
def reader(folder: Path, control_plane: str, page: str) -> Iterator[Reader]:
    """Somebody beside a clone of this repository, with the sandbox's variables in her shell and something in her cluster repository."""
    with sandbox(folder, control_plane, programs()) as environ:
        home = folder / "home"
        for name in ("deploy", "repo-template"):
            (home / name).symlink_to(ROOT / name)
        person = Reader(home, environ, page=page)
        person.run(FILLED)
        yield person
