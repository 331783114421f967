"""``.ci/run`` does not pass over the lowest versions in silence."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("bash", "dirname", "mktemp", "rm", "git")
# A Python that is neither 3.11 nor 3.12, and with which the run ends where the lowest bounds are read.
PYTHON = """#!/usr/bin/env bash
case "$*" in
    *ensurepip*) exit 1 ;;
    *lowest.py*) echo "went on: $*" >&2; exit 3 ;;
esac
"""


@pytest.fixture
def run(tmp_path):
    """Function ``SKLR_CI_NO_LOWEST -> finished process`` of ``.ci/run`` where that Python is the only one."""
    (tmp_path / "bin").mkdir()
    for tool in (*TOOLS, "env"):
        path = shutil.which(tool)
        if path is None:
            pytest.skip(f"needs {tool}")
        (tmp_path / "bin" / tool).symlink_to(path)
    python = tmp_path / "bin" / "python3"
    python.write_text(PYTHON)
    python.chmod(0o755)
    (tmp_path / "tmp").mkdir()

    def start(no_lowest):
        environment = {k: v for k, v in os.environ.items() if k != "SKLR_CI_NO_LOWEST"}
        environment |= {"PATH": str(tmp_path / "bin"), "TMPDIR": str(tmp_path / "tmp")}
        environment |= {} if no_lowest is None else {"SKLR_CI_NO_LOWEST": no_lowest}
        command = ["bash", str(ROOT / ".ci" / "run")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return start


@pytest.mark.parametrize("no_lowest", [None, "", "0"])
def test_fails_without_a_python_for_the_lowest_versions(run, no_lowest):
    """A run that ends well though its last stage did not take place."""
    process = run(no_lowest)
    assert process.returncode == 1
    assert "Neither Python 3.11 nor 3.12" in process.stderr
    assert "SKLR_CI_NO_LOWEST=1" in process.stderr
    assert "went on" not in process.stderr


def test_goes_on_where_told_to(tmp_path, run):
    """A variable that is named in the message and not looked at; or extras that are not held down."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git repository, which a copy of the tracked files is not")
    process = run("1")
    assert process.returncode == 3
    assert "went on: .ci/lowest.py test plot" in process.stderr
    assert not list((tmp_path / "tmp").iterdir())


def test_bounds_of_the_quickstart_agree(ci_script):
    """Two lower bounds of matplotlib, of which one is tested."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "matplotlib" in ci_script("lowest").lowest(text, ["plot"])
    bounds = ci_script("lowest").lowest(text, ["test", "plot"])
    assert bounds["matplotlib"] == ci_script("lowest").lowest(text, ["plot"])["matplotlib"]
