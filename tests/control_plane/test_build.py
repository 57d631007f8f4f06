"""The builder's decisions, seen with a stand-in for `go` that only writes files: the real build takes minutes and CI runs it."""

import stat
import threading
from pathlib import Path

import pytest

from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.sandbox.control_plane import binaries, recipe, toolchain
from gitops_canary.sandbox.control_plane.build import build, can_build

GO = """#!/bin/sh
[ "$1" = env ] || echo "$@" >> "$GO_LOG"
case "$1 $2" in
  "env GOVERSION") printf '%s\n%s\n' "${GO_IS:-go1.26.8}" "${GO_FETCHES:-local}"; exit 0 ;;
  "mod download") echo '{"GoMod": "'"$GO_LOG"'.mod"}' ;;
  "mod tidy") touch go.sum ;;
  "mod init") touch go.mod ;;
esac
[ -n "$GO_FAILS" ] && [ "$1" = build ] && { echo "no route to host" >&2; exit 1; }
if [ "$1" = build ]; then
  while [ "$1" != -o ]; do shift; done
  printf built > "$2"; chmod +x "$2"
elif [ "$1" = install ]; then
  printf built > "$GOBIN/helm"; chmod +x "$GOBIN/helm"
fi
exit 0
"""
UPSTREAM = """module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
	bitbucket.org/bertimus9/systemstat v0.5.0
	k8s.io/api v0.0.0
	k8s.io/kube-openapi v0.0.0-20260317180543-43fb72c5454a
	k8s.io/client-go v0.0.0 // indirect
)
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "go").write_text(GO)
    (programs / "go").chmod(0o755)
    (tmp_path / "go.log.mod").write_text(UPSTREAM)
    return {"PATH": f"{programs}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache"), "GO_LOG": str(tmp_path / "go.log")}


def programs_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file() and path.stat().st_mode & stat.S_IXUSR}


def test_an_empty_folder_gets_every_program_and_says_each_step(environ: dict[str, str]) -> None:
    lines: list[str] = []
    folder = build(lines.append, environ)
    assert folder == binaries.cache_folder(environ)
    assert programs_in(folder) == {"etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "helm"}
    assert [line.split()[1] for line in lines if line.startswith("built")] == [step.name for step in recipe.steps()]
    assert binaries.find(environ).kubectl == folder / "kubectl"


def test_a_second_build_runs_go_no_more(environ: dict[str, str]) -> None:
    build(print, environ)
    calls = Path(environ["GO_LOG"]).read_text()
    build(print, environ)
    assert Path(environ["GO_LOG"]).read_text() == calls


def test_a_build_that_broke_off_goes_on_where_it_stopped(environ: dict[str, str]) -> None:
    folder = build(print, environ)
    (folder / "kubectl").unlink()
    (folder / ".kubectl.unfinished").write_text("half")
    Path(environ["GO_LOG"]).unlink()
    build(print, environ)
    assert (folder / "kubectl").read_text() == "built"
    assert [line.split()[0] for line in Path(environ["GO_LOG"]).read_text().splitlines()] == ["build"]


def test_a_failing_go_leaves_no_half_program_and_its_words_are_told(environ: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match="no route to host"):
        build(print, environ | {"GO_FAILS": "1"})
    assert programs_in(binaries.cache_folder(environ)) == set()


def test_without_go_the_error_says_what_to_install(environ: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"Go is not installed.*pip install 'gitops-canary\[control-plane\]'.*https://go\.dev/dl"):
        toolchain.find(environ | {"PATH": "/nonexistent"}, installed="/nonexistent")


def test_a_go_that_is_too_old_is_named_and_one_that_fetches_a_newer_is_not(environ: dict[str, str]) -> None:
    for said in ({"GO_IS": "go1.19.8", "GO_FETCHES": ""}, {"GO_IS": "go1.25.1"}, {"GO_IS": "?"}):
        with pytest.raises(UserError, match=r"it takes 1\.26 or newer, and \S+/go is "):
            toolchain.find(environ | said, installed="/nonexistent")
    assert toolchain.find(environ | {"GO_IS": "go1.25.1", "GO_FETCHES": "auto"}, installed="/nonexistent")


def test_a_go_beside_our_python_does_where_the_one_on_path_is_too_old_or_none(environ: dict[str, str], tmp_path: Path) -> None:
    beside = tmp_path / "scripts" / "go"
    beside.parent.mkdir()
    beside.write_text("#!/bin/sh\necho go1.26.6\necho local\n")
    beside.chmod(0o755)
    for broken in ({"GO_IS": "go1.19.8"}, {"PATH": "/nonexistent"}):
        assert toolchain.find(environ | broken, installed=str(beside.parent)) == str(beside)


def test_whether_a_build_would_find_a_go_is_told_before(environ: dict[str, str]) -> None:
    """`make control-plane` brings one only where it takes one."""
    assert not can_build(environ | {"GO_IS": "go1.19.8"}, installed="/nonexistent")
    assert can_build(environ)
    build(print, environ)
    assert can_build(environ | {"GO_IS": "go1.19.8"}, installed="/nonexistent")


def test_two_builders_do_the_work_once(environ: dict[str, str]) -> None:
    lines: list[str] = []
    builders = [threading.Thread(target=build, args=(lines.append, environ)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert len([line for line in lines if line.startswith("built")]) == len(recipe.steps())


def test_kubebuilder_assets_are_used_and_never_written(environ: dict[str, str], tmp_path: Path) -> None:
    given = tmp_path / "assets"
    given.mkdir()
    for name in binaries.SERVERS:
        (given / name).touch(0o755)
    environ["KUBEBUILDER_ASSETS"] = str(given)
    assert build(print, environ) == given
    assert binaries.find(environ).etcd == given / "etcd"
    (given / "kube-controller-manager").unlink()
    for use in (lambda: build(print, environ), lambda: binaries.find(environ)):
        with pytest.raises(UserError, match="kube-controller-manager"):
            use()
    assert not binaries.cache_folder(environ).exists()


def test_missing_programs_are_named_with_the_command_that_makes_them(environ: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"etcd, kube-apiserver, kube-controller-manager not found in .*make control-plane"):
        binaries.find(environ)


def test_a_relative_cache_home_is_ignored() -> None:
    assert binaries.cache_folder({"XDG_CACHE_HOME": "here"}).is_absolute()


def test_only_staging_modules_are_replaced_by_the_same_minor() -> None:
    text = recipe.kubernetes_go_mod(UPSTREAM)
    minor = binaries.KUBERNETES.removeprefix("v1.")
    assert f"replace k8s.io/api => k8s.io/api v0.{minor}\n" in text
    assert f"replace k8s.io/client-go => k8s.io/client-go v0.{minor}\n" in text
    assert "kube-openapi" not in text
    assert "\ngo 1.26.0\n" in text
