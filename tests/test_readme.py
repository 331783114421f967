"""What the README says is true: its example runs, and its set-up commands are the two that CI runs."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_example_runs():
    blocks = re.findall(r"^```(?:python|pycon)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    example = "\n".join(blocks)
    test = doctest.DocTestParser().get_doctest(example, {}, "README.md", "README.md", 0)
    assert len(test.examples) >= 5
    report = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


def test_exactly_two_setup_commands(ci_script):
    commands = ci_script("readme").commands(README)
    assert set(commands) == {"quickstart", "tests"}
    assert commands["quickstart"].endswith("python examples/quickstart.py")
    assert commands["tests"].endswith("python -m pytest")
    shell = re.findall(r"^```(?:bash|sh|shell|console)\n", README, re.MULTILINE)
    assert len(shell) == 2, "a set-up command stands outside the markers"
    for command in commands.values():
        assert len(command.splitlines()) == 1
        assert "python3 -m venv" in command  # each works without the other


def test_each_file_that_the_readme_names_is_there():
    named = re.findall(r"\]\((?!https?://|#)([^)]+)\)", README) + re.findall(r"python ([\w/]+\.py)", README)
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def block(name, text="command"):
    return f"<!-- command: {name} -->\n```bash\n{text}\n```\n<!-- /command -->\n"


def test_command_markers(ci_script):
    commands = ci_script("readme").commands
    assert commands(f"words\n{block('one')}\n```bash\nother\n```\n{block('two', 'a && b')}") == {
        "one": "command",
        "two": "a && b",
    }
    with pytest.raises(ValueError, match="twice"):
        commands(block("one") + block("one"))
    with pytest.raises(ValueError, match="without"):
        commands("<!-- command: one -->\nno block\n")
