"""The command that runs the benchmarks: which cases there are, and when a revision counts as slower."""

import importlib
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "benchmarks"


@pytest.fixture(scope="module")
def run():
    """The module of the command; its folder is where the scripts find each other."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("run")
    finally:
        sys.path.remove(str(FOLDER))


def test_every_script_is_run(run):
    """A script that the command does not know; a case without its name."""
    assert {f"bench_{name}.py" for name in run.SCRIPTS} == {path.name for path in FOLDER.glob("bench_*.py")}
    every = run.cases()
    assert every["low_rank:path"] == ["--data", "path"] and every["products"] == []
    assert run.chosen(["graph:cora", "search"], every)[0] == "graph:cora"
    assert run.chosen(["search", "search:mnist"], every) == [c for c in every if c.startswith("search:")]
    assert run.chosen([], every) == list(every)
    with pytest.raises(SystemExit, match="no case 'grap'"):
        run.chosen(["grap"], every)


def rows(**seconds):
    """Rows of a report."""
    return [{"data": "d", "method": name, "s": s, "error": 0.1} for name, s in seconds.items()]


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        (1.0, 1.5, "slower"),
        (1.0, 1.1, ""),  # within the ratio
        (0.01, 0.03, ""),  # within the floor
        (1.5, 1.0, "faster"),
    ],
)
def test_slower_is_past_both_bounds(run, base, head, verdict):
    """A short time that is slower by chance, or a long one that is within the noise."""
    rounds = [(rows(sklr=base, PCA=base), rows(sklr=head, PCA=head))] * 3
    found = run.compare_rounds(rounds, 1.2, 0.05)
    assert [row[-1] for row in found] == [verdict, "peer"]
    assert found[0][1:4] == pytest.approx((base, head, head / base))


def test_one_slow_round_is_no_slow_revision(run):
    """A mean in place of a median; rows that are mixed up."""
    rounds = [(rows(sklr=1.0, path=2.0), rows(path=2.0, sklr=s)) for s in (1.0, 9.0, 1.1)]
    assert [(row[2], row[-1]) for row in run.compare_rounds(rounds, 1.2, 0.05)] == [(1.1, ""), (2.0, "")]
    twice = rows(sklr=1.0) + rows(sklr=3.0)
    assert [row[1] for row in run.compare_rounds([(twice, twice)], 1.2, 0.05)] == [1.0, 3.0]


def test_a_case_writes_its_file(run, tmp_path):
    """A command line that the script does not take; rows that are lost."""
    found = run.run_case(
        sys.executable, "search:threads", ["--data", "threads", "--quick", "--repeats", "1"], tmp_path
    )
    written = json.loads((tmp_path / "search_threads.json").read_text(encoding="utf-8"))
    assert found == written["rows"] and found[0]["data"].startswith("threads")
    assert written["quick"] and "sklr" in written["machine"]
    assert run.run_case(sys.executable, "search:nothing", ["--data", "nothing"], None) is None
