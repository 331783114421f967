"""Print one of the set-up commands of README.md, so that what is tested is what is documented.

    python3 .ci/readme.py quickstart

prints the fenced block between ``<!-- command: quickstart -->`` and ``<!-- /command -->``. Needs the
standard library only.
"""

import re
import sys
from pathlib import Path

COMMAND = re.compile(
    r"^<!-- command: (?P<name>\w+) -->\s*^```(?:bash|sh)\n(?P<text>.+?)^```\s*^<!-- /command -->$",
    re.MULTILINE | re.DOTALL,
)


def commands(readme):
    """Return ``{name: command}`` of the marked commands in the text of a README."""
    found = {}
    for match in COMMAND.finditer(readme):
        if match["name"] in found:
            raise ValueError(f"command {match['name']!r} stands twice in README.md")
        found[match["name"]] = match["text"].strip()
    if len(found) != readme.count("<!-- command:"):
        raise ValueError("README.md has a command marker without a fenced block and an end marker")
    return found


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    try:
        print(commands(text)[sys.argv[1]])
    except (ValueError, KeyError, IndexError) as error:
        sys.exit(f"readme.py: {error!r}")
