"""A tree of files becomes objects with their places; broken files become sentences with file and line, and the rest goes on."""

from collections.abc import Mapping

from gitops_canary.domain.resources import Ref
from gitops_canary.manifests.tree import Loaded, ParseCache, read_tree
from tests.memory.repository import MemoryTree

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: test\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: test\n"


def load(files: Mapping[str, str], *paths: str, cache: ParseCache | None = None) -> Loaded:
    return read_tree(MemoryTree("r", {path: text.encode() for path, text in files.items()}), paths, cache)


def names(loaded: Loaded) -> list[str]:
    return [resource.ref.name for resource in loaded.resources]


def test_objects_come_with_file_document_and_line() -> None:
    loaded = load({"a/all.yaml": f"{NAMESPACE}---\n# note\n{CONFIG.format(name='one')}"})
    assert [(r.ref, r.place, r.document) for r in loaded.resources] == [
        (Ref("v1", "Namespace", "", "test"), "a/all.yaml:1", 0),
        (Ref("v1", "ConfigMap", "test", "one"), "a/all.yaml:7", 1),
    ]


def test_only_manifests_are_read() -> None:
    chart = {"charts/x/Chart.yaml": "name: x\n", "charts/x/values.yaml": "a: 1\n", "charts/x/templates/d.yaml": "{{ broken"}
    files = {
        **chart,
        ".gitops-canary/default/test/frontend.yaml": "run: {}\n",
        "README.md": "# hello",
        "notes.txt": "a: [",
        "ns.yml": NAMESPACE,
        "sub/Chart.yaml/ns.yaml": CONFIG.format(name="odd"),
    }
    loaded = load(files)
    assert (names(loaded), loaded.problems) == (["test", "odd"], ())


def test_paths_limit_what_is_read() -> None:
    files = {path: CONFIG.format(name=path.replace("/", "-")) for path in ("one/a.yaml", "one-more/b.yaml", "two/c.yaml", "top.yaml")}
    assert names(load(files, "one")) == ["one-a.yaml"]
    assert names(load(files, "/one/", "two")) == ["one-a.yaml", "two-c.yaml"]
    assert names(load(files, "top.yaml")) == ["top.yaml"]
    assert names(load(files, "./one")) == names(load(files, "./one/")) == names(load(files, " one/. ")) == ["one-a.yaml"]
    assert names(load(files, "./top.yaml")) == ["top.yaml"]
    assert len(names(load(files, "."))) == len(names(load(files, "./"))) == len(names(load(files, "", "one"))) == 4


def test_a_path_that_is_not_there_is_a_problem_and_no_empty_folder() -> None:
    found = load({"one/a.yaml": CONFIG.format(name="a"), "one-more/readme.md": "text"}, "one", "./on", "one-more")
    assert [problem.sentence for problem in found.problems] == ["cannot read on: the repository has no file there; correct --git-path"]
    assert found.problems[0].place == "on"
    assert names(found) == ["a"]


def test_B33_a_list_is_flattened_and_its_objects_keep_their_lines() -> None:
    items = "".join(f"- apiVersion: v1\n  kind: ConfigMap\n  metadata: {{name: {name}, namespace: test}}\n" for name in ("one", "two"))
    loaded = load({"l.yaml": f"apiVersion: v1\nkind: List\nitems:\n{items}"})
    assert [(r.ref.name, r.line) for r in loaded.resources] == [("one", 4), ("two", 7)]


def test_one_broken_file_is_told_with_its_line_and_the_rest_is_read() -> None:
    loaded = load({"bad.yaml": f"{NAMESPACE}---\na: [\n", "good.yaml": NAMESPACE})
    assert names(loaded) == ["test"]
    (problem,) = loaded.problems
    assert (problem.file, problem.line >= 6) == ("bad.yaml", True)
    assert problem.sentence.startswith("cannot read bad.yaml:")


def test_what_is_no_object_is_told_and_its_neighbours_are_read() -> None:
    loaded = load({"x.yaml": f"just text\n---\nkind: Pod\n---\napiVersion: v1\nkind: Pod\n---\n{NAMESPACE}"})
    assert names(loaded) == ["test"]
    assert [problem.line for problem in loaded.problems] == [1, 3, 5]


def test_an_annotation_that_is_no_text_is_told() -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations: {fluxcd.io/automated: true}\n"
    (problem,) = load({"p.yaml": text}).problems
    assert "fluxcd.io/automated" in problem.sentence
    assert "quotes" in problem.sentence


def test_an_unchanged_file_is_parsed_once() -> None:
    cache = ParseCache()
    files = {"a.yaml": NAMESPACE, "b.yaml": CONFIG.format(name="one")}
    first = load(files, cache=cache)
    second = load({**files, "b.yaml": CONFIG.format(name="two")}, cache=cache)
    assert second.resources[0] is first.resources[0]
    assert names(second) == ["test", "two"]
    assert len(cache.entries) == 2


def test_equal_files_keep_their_own_places() -> None:
    loaded = load({"a.yaml": NAMESPACE, "b.yaml": NAMESPACE}, cache=ParseCache())
    assert [resource.file for resource in loaded.resources] == ["a.yaml", "b.yaml"]
