"""Charts from real Git, a real HTTP repository and a real registry: by content, with dependencies, and suspicious of every archive."""

import gzip
import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import helm_python
import pytest

from gitops_canary.adapters.exchange import Exchange
from gitops_canary.adapters.git import GitOptions, GitRepository, Mirror, Transport
from gitops_canary.adapters.helm.archives import ChartCache, unpack
from gitops_canary.adapters.helm.charts import ChartSources, OutsideValues
from gitops_canary.adapters.helm.child import Child
from gitops_canary.adapters.helm.downloads import Downloads, Login
from gitops_canary.adapters.helm.git_charts import GitCharts, with_login
from gitops_canary.adapters.helm.oci import OciCharts
from gitops_canary.adapters.helm.repositories import ChartRepositories, choose
from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.ports import Chart, ChartSource
from gitops_canary.sandbox.charts import ChartServer
from gitops_canary.sandbox.registryd.access import Access, Basic
from gitops_canary.sandbox.registryd.server import RegistryServer
from tests.adapters.helm.charts import chart
from tests.adapters.helm.conftest import BACKENDS


class NoLogins:
    def of(self, namespace: str, name: str, url: str) -> Login | None:
        return Login("user", "pass word") if name else None


class Git:
    """A repository on disk that a test commits to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.run("init", "-q", "-b", "main")

    def run(self, *words: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@t")
        subprocess.run(["git", "-C", str(self.folder), *who, *words], check=True, capture_output=True, timeout=30)

    def commit(self) -> None:
        self.run("add", "-A")
        self.run("commit", "-q", "-m", "x")

    @property
    def url(self) -> str:
        return f"file://{self.folder}"


class Bench:
    """ChartSources over real servers, with a clock of the test's own."""

    def __init__(self, tmp_path: Path) -> None:
        self.now = 0.0
        self.transport = Transport(GitOptions(tmp_path / "state", allow_file_urls=True))
        self.git = Git(tmp_path / "repository")
        chart(self.git.folder / "charts" / "app")
        self.git.commit()
        self.own = GitRepository(self.git.url, "main", self.transport)
        downloads = Downloads(Exchange(), timeout=5)
        self.outside = OutsideValues(downloads)
        self.tmp_path = tmp_path
        self.backend = "sdk"
        self.others = GitCharts(lambda url: Mirror(url, self.transport), self.own, lambda: self.now)
        self.sources = ChartSources(
            ChartCache(tmp_path / "cache"),
            self.others,
            ChartRepositories(downloads, lambda: self.now),
            OciCharts(self._child, clock=lambda: self.now),
            NoLogins(),
        )

    def _child(self) -> Child:
        return Child(self.tmp_path / "home", backend=self.backend)

    def fetch(self, source: ChartSource, secret: str = "") -> Chart:
        return self.sources.fetch(source, namespace="test", secret=secret)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.others.close()
    made.own.mirror.close()
    made.transport.close()


OWN = ChartSource(path="charts/app")


def test_a_chart_of_the_cluster_repository_needs_no_url(bench: Bench) -> None:
    with pytest.raises(Unavailable, match="has not been fetched yet"):
        bench.fetch(OWN)
    bench.own.fetch()
    got = bench.fetch(OWN)
    assert (Path(got.path) / "Chart.yaml").read_text().startswith("apiVersion: v2")
    assert got.revision == bench.own.head()


def test_F20_a_commit_elsewhere_leaves_the_chart_the_same_and_one_below_it_does_not(bench: Bench) -> None:
    bench.own.fetch()
    first = bench.fetch(OWN)
    (bench.git.folder / "README.md").write_text("hello")
    bench.git.commit()
    bench.own.fetch()
    second = bench.fetch(OWN)
    assert (second.id, second.revision == first.revision) == (first.id, False)
    chart(bench.git.folder / "charts" / "app", version="1.0.1")
    bench.git.commit()
    bench.own.fetch()
    assert bench.fetch(OWN).id != first.id


def test_another_repository_is_asked_twice_a_minute_at_most(bench: Bench) -> None:
    source = ChartSource(git=bench.git.url, ref="main", path="charts/app")
    first = bench.fetch(source)
    chart(bench.git.folder / "charts" / "app", version="2.0.0")
    bench.git.commit()
    assert bench.fetch(source) == first
    bench.now = 31
    assert bench.fetch(source) != first


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        pytest.param(ChartSource(path="charts/none"), "charts/none .*there is no such folder", id="no such folder"),
        pytest.param(ChartSource(git="GIT", ref="none", path="charts/app"), "there is no none", id="no such ref"),
    ],
)
def test_what_git_does_not_have_is_said(bench: Bench, source: ChartSource, sentence: str) -> None:
    bench.own.fetch()
    given = ChartSource(bench.git.url if source.git else "", source.ref, source.path)
    with pytest.raises(UserError, match=sentence):
        bench.fetch(given)


def add_dependency(bench: Bench, repository: str, name: str = "common", version: str = "1.0.0") -> None:
    row = f"  - name: {name}\n    version: {version!r}\n    repository: {repository}\n"
    file = bench.git.folder / "charts" / "app" / "Chart.yaml"
    file.write_text(file.read_text() + "dependencies:\n" + row)
    bench.git.commit()
    bench.own.fetch()


def library(folder: Path, name: str = "common") -> None:
    chart(folder, files={"part.yaml": "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: from-dependency\n"})
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n")


def renders(got: Chart) -> str:
    return "".join(helm_python.Chart.load(got.path).render({}, name="app", namespace="test").values())


def test_a_dependency_in_the_same_repository_comes_along_unless_skipped(bench: Bench) -> None:
    library(bench.git.folder / "charts" / "common")
    add_dependency(bench, "file://../common")
    got = bench.fetch(OWN)
    assert "from-dependency" in renders(got)
    assert bench.fetch(OWN).path == got.path
    skipped = bench.fetch(ChartSource(path="charts/app", skip_dependencies=True))
    assert not (Path(skipped.path) / "charts").exists()


def test_a_dependency_may_not_leave_its_repository(bench: Bench) -> None:
    add_dependency(bench, "file://../../../etc")
    with pytest.raises(UserError, match=r"dependency common .* leaves the repository"):
        bench.fetch(OWN)


@pytest.fixture
def chart_server(tmp_path: Path) -> Iterator[ChartServer]:
    library(tmp_path / "shelf" / "common")
    chart(tmp_path / "shelf" / "small", version="1.2.3")
    server = ChartServer(lambda: sorted((tmp_path / "shelf").iterdir()))
    server.start()
    yield server
    server.stop()


def test_a_chart_repository_serves_the_newest_version_in_the_range(bench: Bench, chart_server: ChartServer) -> None:
    got = bench.fetch(ChartSource(repository=chart_server.url, name="small", version="~1.2"))
    assert got.revision == "1.2.3"
    assert "colour" in renders(got)
    assert bench.fetch(ChartSource(repository=chart_server.url, name="small", version="1.2.3")) == got
    with pytest.raises(UserError, match=r"small 2.x in .*: it has 1.2.3"):
        bench.fetch(ChartSource(repository=chart_server.url, name="small", version="2.x"))
    with pytest.raises(UserError, match="the index does not have it"):
        bench.fetch(ChartSource(repository=chart_server.url, name="none", version="1"))


def test_a_dependency_from_a_chart_repository_comes_along(bench: Bench, chart_server: ChartServer) -> None:
    add_dependency(bench, chart_server.url, version="^1.0")
    assert "from-dependency" in renders(bench.fetch(OWN))


def test_a_repository_that_is_away_is_waited_for(bench: Bench) -> None:
    with pytest.raises(Unavailable, match=r"cannot download http://127.0.0.1:9/index.yaml"):
        bench.fetch(ChartSource(repository="http://user:secret@127.0.0.1:9", name="small", version="1"))


@pytest.mark.parametrize(
    ("version", "chosen"),
    [("1.0.0", "1.0.0"), ("~1.0", "1.0.2"), ("", "1.1.0"), ("*", "1.1.0"), ("2.0.0-rc.1", "2.0.0-rc.1"), (">=2.0.0-0", "2.0.0-rc.1")],
)
def test_versions_are_chosen_as_helm_does(version: str, chosen: str) -> None:
    rows = [{"version": one, "urls": [f"{one}.tgz"]} for one in ("1.0.0", "1.0.2", "1.1.0", "2.0.0-rc.1", "nonsense")]
    found = choose({"entries": {"app": rows}}, "https://charts.example.com/stable", "app", version)
    assert (found.version, found.url) == (chosen, f"https://charts.example.com/stable/{chosen}.tgz")


@pytest.fixture(params=BACKENDS, ids=lambda name: "sdk" if name == "sdk" else "binary")
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def serve_chart(tmp_path: Path, access: Access | None = None) -> RegistryServer:
    server = RegistryServer(access=access)
    server.start()
    chart(tmp_path / "small", version="1.2.3")
    archive = helm_python.Chart.load(str(tmp_path / "small")).save(str(tmp_path))
    with helm_python.RegistryClient(plain_http=True, credentials_file=str(tmp_path / "login.json")) as client:
        if access is not None:
            client.login(server.host, "user", "pass word", plain_http=True)
        client.push(str(archive), f"oci://{server.host}/charts", plain_http=True)
    return server


def test_a_chart_is_pulled_from_a_registry(bench: Bench, tmp_path: Path, backend: str) -> None:
    bench.backend = backend
    server = serve_chart(tmp_path)
    try:
        got = bench.fetch(ChartSource(repository=f"oci://{server.host}/charts", name="small", version="~1.2"))
        assert (got.revision, "colour" in renders(got)) == ("1.2.3", True)
        with pytest.raises(UserError, match=r"cannot pull oci://.*/charts/small 9.9.9"):
            bench.fetch(ChartSource(repository=f"oci://{server.host}/charts", name="small", version="9.9.9"))
    finally:
        server.stop()


def test_a_private_chart_is_pulled_with_the_secrets_login(bench: Bench, tmp_path: Path, backend: str) -> None:
    bench.backend = backend
    server = serve_chart(tmp_path, Basic({"user": "pass word"}))
    source = ChartSource(repository=f"oci://{server.host}/charts", name="small", version="1.2.3")
    try:
        with pytest.raises(UserError, match="cannot pull"):
            bench.fetch(source)
        assert bench.fetch(source, secret="login").revision == "1.2.3"
    finally:
        server.stop()


def archive_of(*entries: tuple[str, bytes], edit: Callable[[tarfile.TarInfo], None] = lambda entry: None) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            edit(entry)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue())


def as_link(entry: tarfile.TarInfo) -> None:
    entry.type, entry.linkname, entry.size = tarfile.SYMTYPE, "/etc/passwd", 0


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(archive_of(("../evil", b"x")), "leads out of it", id="a name that leads out"),
        pytest.param(archive_of(("app/../../evil", b"x")), "leads out of it", id="a name that leads out in the middle"),
        pytest.param(archive_of(("/etc/evil", b"x")), "leads out of it", id="an absolute name"),
        pytest.param(archive_of(("app/link", b""), edit=as_link), "no plain file", id="a link"),
        pytest.param(archive_of(("app/big", bytes(101 * 2**20))), "unpacks to more than", id="a bomb"),
        pytest.param(b"no archive", "it is no chart archive", id="no archive"),
        pytest.param(archive_of(("app/Chart.yaml", b"x"))[:-20], "it is no chart archive", id="a torn archive"),
        pytest.param(bytes(21 * 2**20), "is larger than", id="too large"),
    ],
)
def test_a_hostile_archive_is_refused_and_leaves_nothing_outside(tmp_path: Path, data: bytes, sentence: str) -> None:
    into = tmp_path / "in"
    into.mkdir()
    with pytest.raises(UserError, match=sentence):
        unpack(data, into, "chart x")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_archive_without_a_chart_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds 0 charts"):
        ChartCache(tmp_path).unpacked(archive_of(("README.md", b"x")), "chart x")


def test_values_are_read_from_the_charts_files_and_from_nowhere_else(bench: Bench, chart_server: ChartServer, tmp_path: Path) -> None:
    made = chart(tmp_path / "c")
    assert bench.outside.chart_file(made, "values.yaml") == b"colour: blue\n"
    (tmp_path / "secret.yaml").write_text("a: b")
    (tmp_path / "c" / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    for path in ("../secret.yaml", "link.yaml", "/etc/passwd", "none.yaml", ""):
        with pytest.raises(UserError):
            bench.outside.chart_file(made, path)
    assert b"apiVersion" in bench.outside.fetch(f"{chart_server.url}/index.yaml")
    with pytest.raises(UserError, match="is not there"):
        bench.outside.fetch(f"{chart_server.url}/none.yaml")


def test_a_login_goes_into_https_urls_only() -> None:
    login = Login("me", "a/b@c")
    assert with_login("https://example.com/x", login) == "https://me:a%2Fb%40c@example.com/x"
    assert with_login("ssh://git@example.com/x", login) == "ssh://git@example.com/x"
    assert "a/b" not in repr(login)
