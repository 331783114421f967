"""Run all benchmarks, or some cases, in processes of their own; compare two revisions.

    python tests/benchmarks/run.py --list
    python tests/benchmarks/run.py                                     all: hours
    python tests/benchmarks/run.py search:mnist graph                  a case, and all cases of a script
    python tests/benchmarks/run.py graph:cora --environment ~/peers    with peers that are not here
    python tests/benchmarks/run.py ridge:wide --compare main HEAD      two revisions, in turns

Each case prints its table, with seconds, memory, passes and errors of sklr and of its peers, and leaves a
JSON file in the folder of ``--output``. ``--quick`` and ``--repeats`` are passed on.

``--environment FOLDER`` runs the cases in a virtual environment that has sklr and what ``peers.txt`` lists;
it is made if it is not there.

``--compare BASE HEAD`` checks both revisions out and runs the scripts of this working tree on both in turns,
``--rounds`` times. Rows are matched by what they say of data and method. A row of sklr is slower if the
median of its ratios is above ``--ratio`` *and* the medians differ by more than ``--floor`` seconds: short
times have large ratios by chance. The exit status is 1 then. Rows of peers are shown to tell how quiet the
machine was.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# How methods begin that are not sklr's.
PEERS = (
    "BLAS", "GSVD", "GridSearchCV", "IncrementalPCA", "LSQR", "PCA", "RandomProjection", "Ridge", "SciPy",
    "Spectral", "TruncatedSVD", "fbpca", "plain", "pycleora", "scikit", "skmatter", "svds", "uncontrolled",
)  # fmt: skip
SCRIPTS = ("sketch", "products", "memory", "low_rank", "streaming", "ridge", "columns", "graph", "search")


def cases():
    """``{name: [arguments of the script]}`` of all cases, in the order in which they run."""
    found = {}
    for script in SCRIPTS:
        module = importlib.import_module(f"bench_{script}")
        names = getattr(module, "NAMES", None) or getattr(module, "CASES", None)
        if names is None:
            found[script] = []
            continue
        found |= {f"{script}:{name}": ["--data", name] for name in names}
    return found


def chosen(names, every):
    """The cases that are asked for, by themselves or by their script."""
    if not names:
        return list(every)
    found = []
    for name in names:
        matching = [case for case in every if case == name or case.startswith(f"{name}:")]
        if not matching:
            raise SystemExit(f"There is no case {name!r}; --list shows all.")
        found += [case for case in matching if case not in found]
    return found


def environment(folder):
    """The interpreter of an environment with sklr and the peers, which is made if it is not there."""
    folder = Path(folder).expanduser().resolve()
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        packages = ["-r", str(HERE / "peers.txt"), str(ROOT)]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return str(python)


def run_case(python, case, arguments, output, source=ROOT):
    """Run a case on the sources in a folder; its rows, or None where it failed."""
    script = HERE / f"bench_{case.partition(':')[0]}.py"
    env = {**os.environ, "PYTHONPATH": str(source)}
    with tempfile.TemporaryDirectory() as folder:
        command = [python, str(script), *arguments, "--json", str(Path(folder) / "found.json")]
        status = subprocess.run(command, env=env, cwd=folder, check=False).returncode
        files = sorted(Path(folder).glob("*.json"))
        if status or not files:
            return None
        parts = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        path = output / f"{case.replace(':', '_')}.json"
        path.write_text(json.dumps(parts if len(parts) > 1 else parts[0], indent=1), encoding="utf-8")
    return [row for part in parts for row in part["rows"]]


def run(python, names, every, passed_on, output):
    """Run cases one after the other; the names of those that failed."""
    failed = []
    for case in names:
        print(f"\n== {case}", flush=True)
        if run_case(python, case, [*every[case], *passed_on], output) is None:
            failed.append(case)
    return failed


# -- two revisions ------------------------------------------------------------------------------------


def key_of(row):
    """What a row is about: its words. Numbers are what was measured."""
    return tuple((name, value) for name, value in row.items() if isinstance(value, str))


def seconds_by_key(rows):
    """Seconds of the rows that have some, by what they are about; rows that say the same are told apart."""
    found = {}
    for row in rows:
        if isinstance(row.get("s"), float | int):
            key, again = key_of(row), 0
            while (key, again) in found:
                again += 1
            found[key, again] = float(row["s"])
    return found


def is_of_peer(key):
    """Whether a row is about a peer."""
    return any(name == "method" and value.startswith(PEERS) for name, value in key)


def compare_rounds(rounds, ratio, floor):
    """Compare pairs of rows ``[(base, head), ...]``, one for each round.

    Returns
    -------
    list of tuple
        ``(key, seconds of base, seconds of head, ratio, verdict)``: "slower" past both bounds, "faster" past
        both the other way, "peer" for rows that are not judged, and "".
    """
    by_round = [(seconds_by_key(base), seconds_by_key(head)) for base, head in rounds]
    found = []
    for key in by_round[0][0]:
        if not all(key in part for pair in by_round for part in pair):
            continue
        pairs = [(base[key], head[key]) for base, head in by_round]
        before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
        change = statistics.median(head / base for base, head in pairs)
        verdict = ""
        if is_of_peer(key[0]):
            verdict = "peer"
        elif change > ratio and after - before > floor:
            verdict = "slower"
        elif change < 1 / ratio and before - after > floor:
            verdict = "faster"
        found.append((key[0], before, after, change, verdict))
    return found


def compare(python, names, every, passed_on, revisions, args):
    """Run cases on two revisions in turns; the names of those that failed or are slower."""
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for which, revision in enumerate(revisions):
            source = Path(folder) / str(which)
            git = ["git", "-C", str(ROOT), "worktree", "add", "--quiet", "--detach", str(source), revision]
            subprocess.run(git, check=True)
            sources.append(source)
        try:
            for case in names:
                bad += _compared(python, case, [*every[case], *passed_on], sources, revisions, args)
        finally:
            for source in sources:
                subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", source], check=False)
    return bad


def _compared(python, case, arguments, sources, revisions, args):
    rounds = []
    for i in range(args.rounds):
        order = [0, 1] if i % 2 == 0 else [1, 0]  # neither is always the one that comes second
        rows = {}
        for which in order:
            print(f"\n== {case}, {revisions[which]}, round {i + 1} of {args.rounds}", flush=True)
            rows[which] = run_case(python, case, arguments, None, sources[which])
        if None in rows.values():
            print(f"{case} failed on one of the revisions.")
            return [case]
        rounds.append((rows[0], rows[1]))
    compared = compare_rounds(rounds, args.ratio, args.floor)
    print(f"\n{case}: seconds on {revisions[0]}, on {revisions[1]}, ratio")
    for key, before, after, change, verdict in compared:
        print(f"  {before:10.4g} {after:10.4g} {change:7.3f}  {verdict:6}  {', '.join(v for _, v in key)}")
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
        rows = [dict(zip(("row", *revisions, "ratio", "verdict"), row, strict=True)) for row in compared]
        path = args.output / f"{case.replace(':', '_')}_compared.json"
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return [case] if any(row[-1] == "slower" for row in compared) else []


def main(argv=None):
    """Run what is asked for; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", help="script or script:case; default: all")
    parser.add_argument("--list", action="store_true", help="show the cases and end")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--repeats", type=int, help="rounds within a case")
    parser.add_argument("--output", type=Path, help="folder of the JSON files")
    parser.add_argument("--environment", metavar="FOLDER", help="virtual environment with the peers")
    parser.add_argument("--compare", nargs=2, metavar=("BASE", "HEAD"), help="two revisions")
    parser.add_argument("--rounds", type=int, default=3, help="of a comparison")
    parser.add_argument("--ratio", type=float, default=1.2, help="that a slower row exceeds")
    parser.add_argument("--floor", type=float, default=0.05, help="seconds that it exceeds, too")
    args = parser.parse_args(argv)
    every = cases()
    if args.list:
        print("\n".join(every))
        return 0
    names = chosen(args.cases, every)
    python = sys.executable if args.environment is None else environment(args.environment)
    passed_on = ["--quick"] if args.quick else []
    passed_on += ["--repeats", str(args.repeats)] if args.repeats else []
    if args.compare is None:
        bad = run(python, names, every, passed_on, args.output)
    else:
        bad = compare(python, names, every, passed_on, args.compare, args)
    if bad:
        print(f"\nFailed or slower: {', '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
