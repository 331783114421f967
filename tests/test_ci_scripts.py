"""The scripts by which ``.ci/run`` finds the lowest versions and counts the tests."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]


def test_lowest_versions_are_those_of_pyproject(ci_script):
    lowest = ci_script("lowest").lowest
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    bounds = lowest(text, ["test"])
    assert {"numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl", "pytest"} <= set(bounds)
    assert bounds["scikit-learn"] == "1.6.0"
    assert "sphinx" not in bounds


@pytest.mark.parametrize(
    "requirement, message",
    [
        ("b", "name>=version"),
        ("b==1.0", "name>=version"),
        ("b>=1,<2", "name>=version"),
        ("a>=2", "two lower"),
    ],
)
def test_requirement_without_one_lower_bound_is_refused(ci_script, requirement, message):
    text = f'[project]\ndependencies = ["a>=1"]\noptional-dependencies = {{test = ["{requirement}"]}}\n'
    with pytest.raises(ValueError, match=message):
        ci_script("lowest").lowest(text, ["test"])


def test_unknown_extra_is_refused(ci_script):
    text = '[project]\ndependencies = ["a>=1"]\noptional-dependencies = {test = []}\n'
    assert ci_script("lowest").lowest(text, ["test"]) == {"a": "1"}
    with pytest.raises(ValueError, match="no such extra: tests"):
        ci_script("lowest").lowest(text, ["tests"])


@pytest.mark.parametrize(
    "attributes, passed",
    [
        ('tests="3" skipped="1" failures="0" errors="0"', 2),
        ('tests="3" skipped="3" failures="0" errors="0"', 0),
        ('tests="3" skipped="0" failures="1" errors="1"', 1),
        ('tests="0" skipped="0" failures="0" errors="0"', 0),
    ],
)
def test_count(ci_script, attributes, passed):
    root = ElementTree.fromstring(f"<testsuites><testsuite {attributes}/></testsuites>")
    assert ci_script("count").count(root)["passed"] == passed
