"""Print what a pytest run counted, from its JUnit file, and fail unless at least one test passed.

    python3 .ci/count.py tests.xml

pytest itself succeeds when every test was skipped; this does not. Needs the standard library only.
"""

import sys
from xml.etree import ElementTree


def count(root):
    """Return ``{"passed": ..., "skipped": ..., "failed": ...}`` of the element of a JUnit file."""
    total = {"passed": 0, "skipped": 0, "failed": 0}
    for suite in root.iter("testsuite"):
        skipped = int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        total["skipped"] += skipped
        total["failed"] += failed
        total["passed"] += int(suite.get("tests", 0)) - skipped - failed
    return total


if __name__ == "__main__":
    total = count(ElementTree.parse(sys.argv[1]).getroot())
    print("counted: " + ", ".join(f"{number} {word}" for word, number in total.items()))
    if total["passed"] < 1 or total["failed"]:
        sys.exit("count.py: no test passed" if total["passed"] < 1 else "count.py: a test failed")
