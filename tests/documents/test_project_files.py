"""The workflows, the citation and the settings of the project fit what they speak of."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import fastcheck
from fastcheck.testing import plugin

PROJECT = Path(__file__).parents[2]
WORKFLOW = PROJECT / ".github" / "workflows" / "tests.yml"
ON_PYTEST = PROJECT / "docs" / "how-to" / "pytest-and-ci.md"

REQUIRED_OF_CITATIONS = {"cff-version", "message", "title", "authors"}
KNOWN_IN_CITATIONS = REQUIRED_OF_CITATIONS | {
    "abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords", "license", "license-url",
    "preferred-citation", "references", "repository", "repository-artifact", "repository-code", "type", "url",
    "version",
}  # fmt: skip


@pytest.fixture(scope="module")
def settings():
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def workflows():
    """Return the text of each workflow that is written here."""
    page = ON_PYTEST.read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yaml title=\"[^\"]+\.yml\"\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    own = WORKFLOW.read_text(encoding="utf-8")
    return [pytest.param(shown, id="shown in the documentation"), pytest.param(own, id="of this project")]


@pytest.mark.parametrize("text", workflows())
def test_a_workflow_has_what_runs_it(text):
    workflow = yaml.safe_load(text)
    assert True in workflow  # YAML reads the key "on" as true
    assert workflow["jobs"]
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert len({"run", "uses"} & step.keys()) == 1
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4"))


def test_the_tests_run_on_three_systems_and_every_supported_version_of_python(settings):
    (job,) = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    matrix = job["strategy"]["matrix"]
    assert matrix["system"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    oldest = settings["project"]["requires-python"].removeprefix(">=")
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert matrix["python"][0] == oldest
    assert job["defaults"]["run"]["shell"] == "bash"
    commands = [step["run"].split()[0] for step in job["steps"] if "run" in step]
    assert commands == ["./scripts/test"]
    assert (PROJECT / "scripts" / "test").is_file()


def test_the_page_on_pytest_names_the_options_there_are():
    named = set(re.findall(r"--gradcheck-[a-z-]+", ON_PYTEST.read_text(encoding="utf-8")))
    source = Path(plugin.__file__).read_text(encoding="utf-8")
    assert named == set(re.findall(r"--gradcheck-[a-z-]+", source))


def test_the_plugin_is_an_entry_point(settings):
    assert settings["project"]["entry-points"]["pytest11"] == {"fastcheck": plugin.__name__}


def test_the_citation_is_that_of_this_version(settings):
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    project = settings["project"]
    assert citation["version"] == fastcheck.__version__ == project["version"]
    assert (citation["title"], citation["license"]) == (project["name"], project["license"])
    assert citation["keywords"] == project["keywords"]
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["authors"]
    ]


def test_the_citation_has_the_fields_of_its_format():
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation.keys() >= REQUIRED_OF_CITATIONS
    assert citation.keys() <= KNOWN_IN_CITATIONS
    texts = [citation[field] for field in ("message", "title", "abstract", "version", "license")]
    assert all(isinstance(text, str) and text for text in texts)


def test_each_library_has_one_oldest_version_which_is_what_the_tests_of_it_install(settings):
    extras = settings["project"]["optional-dependencies"]
    asked = itertools.chain(settings["project"]["dependencies"], *extras.values())
    oldest = {}
    for wanted in asked:
        name, _, version = re.sub(r"\[.*\]", "", wanted).partition(">=")
        if version:
            oldest.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in oldest.items() if len(versions) > 1} == {}
    assert "torch" in oldest
