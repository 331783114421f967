"""Print pip constraints that hold every dependency of pyproject.toml at its lower bound.

    python3 .ci/lowest.py test plot > lowest.txt

reads the run-time dependencies and those of the extras named, and prints one ``name==version`` for each.
A requirement of any other form than ``name>=version`` is an error: a dependency without a lower bound
would not be tested. Needs the standard library only.
"""

import re
import sys
import tomllib
from pathlib import Path

REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)>=(?P<version>[0-9]+(\.[0-9]+)*)")


def lowest(pyproject, extras):
    """Return ``{name: version}`` of the lower bounds in the text of a pyproject.toml."""
    project = tomllib.loads(pyproject)["project"]
    optional = project["optional-dependencies"]
    unknown = [extra for extra in extras if extra not in optional]
    if unknown:
        raise ValueError(f"no such extra: {', '.join(unknown)}; there are {', '.join(optional)}")
    bounds = {}
    for requirement in [*project["dependencies"], *(r for extra in extras for r in optional[extra])]:
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise ValueError(f"{requirement!r} is not of the form name>=version")
        name, version = match["name"], match["version"]
        if bounds.setdefault(name, version) != version:
            raise ValueError(f"{name} has two lower bounds, {bounds[name]} and {version}")
    return bounds


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    try:
        for name, version in lowest(text, sys.argv[1:]).items():
            print(f"{name}=={version}")
    except ValueError as error:
        sys.exit(f"lowest.py: {error}")
