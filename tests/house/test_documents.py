"""The documentation: links that lead somewhere, examples that print what they say, every public name explained."""

from __future__ import annotations

import ast
import doctest
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.house.test_layers import FOLDERS
from tests.support.places import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("theory", "empirical", "compare")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MODULES = [
    ".".join(("tegum", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCES
    if re.search(r"^ *>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)")
ELSEWHERE = ("http://", "https://", "mailto:")
COMMAND = re.compile(r"^(?:\$ )?(?:\S*/)?tegum +(\w+)", re.MULTILINE)


def prose(path: Path) -> str:
    """Return a document without its fenced blocks and inline code, in which brackets aren't links."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", path.read_text(encoding="utf-8")))


def blocks(path: Path) -> list[tuple[str, str]]:
    """Return language and content of each fenced block."""
    return FENCE.findall(path.read_text(encoding="utf-8"))


def anchor(heading: str) -> str:
    """Return the fragment under which a heading is found."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", "")).replace(" ", "-")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def runs(test: doctest.DocTest) -> None:
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(said)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_relative_links_lead_somewhere(document: Path) -> None:
    lost = []
    for target in LINK.findall(prose(document)):
        if target.startswith(ELSEWHERE):
            continue
        file, _, fragment = target.partition("#")
        there = (document.parent / file).resolve() if file else document
        if not there.exists() or not there.is_relative_to(ROOT):
            lost.append(target)
        elif fragment and there.suffix == ".md":
            headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", there.read_text(encoding="utf-8")), re.MULTILINE)
            if fragment not in map(anchor, headings):
                lost.append(target)
    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_examples_in_documents_print_what_they_say(document: Path) -> None:
    examples = "\n".join(content for language, content in blocks(document) if language == "python" and ">>>" in content)
    # Every example that is written as a session is run, whatever its block says it is.
    sessions = sum(content.count(">>> ") for language, content in blocks(document) if language != "python")
    assert sessions == 0, "a session outside of a python block is never run"
    if examples:
        # The blocks of a document are one session.
        runs(doctest.DocTestParser().get_doctest(examples, {}, name_of(document), str(document), 0))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_documents_exist(document: Path) -> None:
    cli = import_module("tegum.compare.commands.app")
    used = {name for _, content in blocks(document) for name in COMMAND.findall(content)}
    assert used <= set(cli.COMMANDS)


def examples_of(module: ModuleType) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_print_what_they_say(name: str) -> None:
    tests = examples_of(import_module(name))
    assert tests
    for test in tests:
        runs(test)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_an_outer_face_is_in_the_reference(package: str) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    names = import_module(f"tegum.{package}").__all__
    assert [name for name in names if f"**`{name}`**" not in text] == []


def reference() -> list[tuple[str, str, bool]]:
    """Return (face, name, whether it is bold) for each name in the tables of the reference."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    found = []
    for section in text.split("\n### ")[1:]:
        for names in re.findall(r"^\| ([^|]*`[^|]*) \|", section, re.MULTILINE):
            found += [
                (section.partition("`")[2].partition("`")[0], name, bool(stars))
                for stars, name in re.findall(r"(\*\*)?`(\w+)", names)
            ]
    return found


def test_the_reference_says_where_each_name_is() -> None:
    wrong = []
    for face, name, bold in reference():
        outer = import_module(".".join(face.split(".")[:2]))
        if not hasattr(import_module(face), name) or bold != (name in outer.__all__):
            wrong.append((face, name))
    assert wrong == []


def test_documents_named_in_the_code_exist() -> None:
    document = re.compile(r"\b(?:docs|tests|benchmarks|examples)/[\w./-]*\w")
    named = [(name_of(path), name) for path in SOURCES for name in document.findall(path.read_text(encoding="utf-8"))]
    assert len(named) > 100
    assert [(path, name) for path, name in named if not (ROOT / name).exists()] == []


def used_names(tree: ast.AST) -> set[str]:
    """Return every name that a source defines, takes, imports or looks up, and its strings of one word."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name) | ast.arg(arg=name):
                found.add(name)
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.alias(name=name):
                found |= set(name.split("."))
            case ast.Constant(value=str(name)) if re.fullmatch(r"[\w.-]+", name):
                found.add(name)
            case _:
                pass
    return found


@cache
def names_of_the_code() -> set[str]:
    scripts = [path for folder in ("docs", "benchmarks", "examples") for path in (ROOT / folder).glob("*.py")]
    found = {part for path in SOURCES + scripts for part in (*path.relative_to(ROOT).parts, path.stem)}
    stubs = [path for package in PACKAGES for path in (ROOT / package).rglob("*.pyi")]
    return found.union(*(used_names(ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES + stubs))


def unknown_names(text: str) -> list[str]:
    """Return the words in single backticks that nothing in the code is called by; of longer code, those with a _."""
    quoted = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    words = [(code, word) for code in quoted for word in re.findall(r"[A-Za-z_]\w+", code)]
    return [word for code, word in words if ("_" in word or code == word) and word not in names_of_the_code()]


def test_names_that_docstrings_and_comments_quote_exist() -> None:
    unknown = {name_of(path): unknown_names(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: names for path, names in unknown.items() if names} == {}


def test_the_page_of_errors_names_what_is_at_a_face() -> None:
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    offered = {
        name: value
        for folder in FOLDERS
        for name, value in vars(import_module(f"tegum.{folder}")).items()
        if isinstance(value, type)
    }
    named = [match for row in rows for match in re.findall(r"`([A-Z]\w+)(?:\.(\w+))?`", row)]
    assert len(named) > len(rows) / 2
    lost = [
        (name, field)
        for name, field in named
        if name not in offered
        or (field and not (field in offered[name].__annotations__ or hasattr(offered[name], field)))
    ]
    assert lost == []


def test_a_stale_name_is_found() -> None:
    assert unknown_names("`certify` does it again, as `ball_loss(model)` and `ballcurvature` do") == [
        "ball_loss",
        "ballcurvature",
    ]
