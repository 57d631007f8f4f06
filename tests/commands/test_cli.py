"""The command line as a whole: quick help, honest exit statuses, one sentence for each error."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_canary import __version__
from gitops_canary.cli import COMMANDS, EXIT_BUG, EXIT_UNAVAILABLE, EXIT_USER, main
from gitops_canary.commands import version
from gitops_canary.domain.errors import Conflict, Unavailable, UserError
from tests.commands.repositories import RELEASE, repository

Capture = pytest.CaptureFixture[str]


def program(*words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "gitops_canary"]
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False, timeout=60)


def test_help_lists_every_command_with_what_it_does(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    for command in COMMANDS:
        assert f"{command.name} {command.help}" in said


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_has_a_help_of_its_own(name: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"gitops-canary {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", [command.module for command in COMMANDS])
def test_every_command_is_a_file_with_its_arguments_and_what_it_does(name: str) -> None:
    module = importlib.import_module(f"gitops_canary.commands.{name}")
    assert callable(module.arguments)
    assert callable(module.run)
    assert (module.__doc__ or "").startswith("`gitops-canary ")


HEAVY = ("kubernetes", "git", "aiohttp", "helm_python", "cryptography", "docker_registry_client", "rich", "yaml", "asyncssh", "structlog")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["version", "--help"], ["validate", "--help"], ["no-such"]])
def test_help_is_quick_because_nothing_heavy_is_imported(words: list[str]) -> None:
    code = (
        "import sys\nfrom gitops_canary.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    assert program(*words, code=code).stderr.splitlines()[-1] == "[]"


def test_validate_needs_nothing_of_the_demo(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.yaml": RELEASE})
    code = (
        "import sys\nfrom gitops_canary.cli import main\nmain(sys.argv[1:])\n"
        "print([name for name in ('asyncssh', 'jsonpatch', 'envoy', 'helm_python') if name in sys.modules], file=sys.stderr)"
    )
    assert program("validate", str(root), code=code).stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", [["--version"], ["version"]])
def test_the_version_is_the_packages_own(words: list[str]) -> None:
    seen = program(*words)
    assert (seen.returncode, __version__ in seen.stdout, seen.stderr) == (0, True, "")


USAGE = [
    pytest.param([], "required: COMMAND", id="no command"),
    pytest.param(["deploy"], "invalid choice: 'deploy'", id="unknown command"),
    pytest.param(["validate", "-o", "xml"], "invalid choice: 'xml'", id="unknown form"),
]


@pytest.mark.parametrize(("words", "sentence"), USAGE)
def test_a_usage_error_names_the_word_and_exits_with_two(words: list[str], sentence: str) -> None:
    seen = program(*words)
    assert (seen.returncode, seen.stdout) == (2, "")
    assert sentence in seen.stderr
    assert "usage: gitops-canary" in seen.stderr


def test_a_folder_without_a_manifest_is_not_said_to_be_fine(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("a slip of the path, in CI for one\n")
    seen = program("validate", str(tmp_path))
    assert (seen.returncode, seen.stdout) == (2, "")
    assert seen.stderr == f"gitops-canary: cannot check {tmp_path}: there is no manifest in it; give the folder of the cluster repository\n"


UNKNOWN = [
    pytest.param(["validate", "--no-such-flag"], "validate: cannot take --no-such-flag; gitops-canary validate --help", id="flag"),
    pytest.param(["run", "--git-urll=ssh://x"], "run: cannot take --git-urll=ssh://x (did you mean --git-url?)", id="slip"),
    pytest.param(["loadtester", "--prot", "80"], "loadtester: cannot take --prot 80", id="two words"),
]


@pytest.mark.parametrize(("words", "sentence"), UNKNOWN)
def test_a_flag_that_a_command_does_not_know_is_one_line_of_that_command(words: list[str], sentence: str) -> None:
    seen = program(*words)
    assert (seen.returncode, seen.stdout, seen.stderr.count("\n")) == (2, "", 1)
    assert seen.stderr.startswith(f"gitops-canary {sentence}")


ENDS = [
    pytest.param(UserError("cannot read x", hint="give y"), EXIT_USER, "gitops-canary: cannot read x; give y\n", id="the person's"),
    pytest.param(Unavailable("cannot reach x"), EXIT_UNAVAILABLE, "gitops-canary: cannot reach x\n", id="something is away"),
    pytest.param(Conflict("cannot write x"), EXIT_BUG, "gitops-canary: cannot write x\n", id="ours"),
    pytest.param(KeyboardInterrupt(), 130, "", id="interrupted"),
]


@pytest.mark.parametrize(("error", "status", "said"), ENDS)
def test_each_group_of_errors_has_its_exit_status_and_one_sentence(
    error: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def ends(_: object) -> int:
        raise error

    monkeypatch.setattr(version, "run", ends)
    assert main(["version"]) == status
    assert tuple(capsys.readouterr()) == ("", said)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param(RELEASE, 0, id="clean"),
        pytest.param(RELEASE.replace("tag: 1.0.0", "tag: 3.10"), 0, id="a warning"),
        pytest.param("a: [", 1, id="an error"),
    ],
)
def test_validates_exit_status_reaches_the_shell_and_standard_output_is_data(text: str, status: int, tmp_path: Path) -> None:
    seen = program("validate", str(repository(tmp_path, {"a.yaml": text})), "--no-render", "-o", "json")
    assert (seen.returncode, seen.stderr) == (status, "")
    assert json.loads(seen.stdout)["version"] == 1


@pytest.mark.parametrize(
    ("colour", "coloured"),
    [
        pytest.param({}, False, id="off a terminal"),
        pytest.param({"FORCE_COLOR": "1"}, True, id="FORCE_COLOR"),
        pytest.param({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="NO_COLOR"),
    ],
)
def test_colour_is_for_terminals_and_who_asks(
    colour: dict[str, str], coloured: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **colour}.items():
        monkeypatch.setenv(name, value)
    seen = program("validate", str(repository(tmp_path, {"a.yaml": "a: ["})), "--no-render")
    assert (any(f"\x1b[{code}m" in seen.stdout for code in ("1;31", "31"))) is coloured
    assert "error" in seen.stdout


PUSH = ["sandbox", "push", "podinfo:1", "--registry"]
REFUSED = {
    "demo folder": (["demo", "--dir", "{}/file/x"], "cannot use the folder {}/file/x: Not a directory; name one with --dir"),
    "sandbox folder": (["sandbox", "--dir", "{}/file"], "cannot use the folder {}/file: File exists; name one with --dir"),
    "picture": (["demo", "--picture", "{0}/no/a.svg"], "cannot write {0}/no/a.svg: there is no folder {0}/no; name a file"),
    "registry": ([*PUSH, "here"], "cannot push to 'here': it is no URL; --registry http://"),
    "behaviour": ([*PUSH, "http://127.0.0.1:9", "--behaviour", "odd"], "behaviour is 'odd'; use good, errors=0.4"),
    "retry": (["retry", "frontend"], "cannot retry 'frontend': it is no NAMESPACE/NAME; e.g. test/frontend"),
    "no repository": (["retry", "test/frontend"], "there is no --git-url; give the one that the operator has"),
    "no cluster": (["identity", "--kubeconfig", "{}/none"], "name one with --kubeconfig, or in the variable KUBECONFIG"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_said_at_once_with_what_to_do(name: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").touch()
    words, sentence = REFUSED[name]
    assert main([word.format(tmp_path) for word in words]) == EXIT_USER
    said = capsys.readouterr()
    assert (said.out, sentence.format(tmp_path) in said.err) == ("", True), said.err
