"""What the benchmarks share: turns, medians, memory, and one table.

Everything that is compared runs in one process in turns, A B A B ..., so that a machine that slows down slows
down both, and a ratio is the median of the ratios of the rounds. Absolute seconds of two runs of a script are
not comparable; ratios mostly are, on a machine that does nothing else.
"""

import argparse
import ctypes
import gc
import json
import os
import platform
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import scipy
import sklearn
import threadpoolctl
from scipy import sparse

import sklr

# BLAS threads spin for a while after they have worked; the next one's turn begins when they sleep.
_PAUSE = 0.05
_SAMPLING_INTERVAL = 0.002


def arguments(description, add=None):
    """Parse ``--quick``, ``--repeats`` and ``--json``; ``add(parser)`` adds more options."""
    parser = argparse.ArgumentParser(description=description.strip().splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that the script works")
    parser.add_argument("--repeats", type=int, default=None, help="rounds; default 5, with --quick 2")
    parser.add_argument("--json", metavar="FILE", help="write machine and rows there as well")
    if add is not None:
        add(parser)
    args = parser.parse_args()
    args.repeats = args.repeats or (2 if args.quick else 5)
    return args


class Timing(NamedTuple):
    """What `alternate` found out about one function."""

    seconds: list  # one per round
    result: object  # of the warm-up
    peak: int | None  # bytes of anonymous memory that the warm-up took beyond what was in use

    @property
    def median(self):
        """Median of the seconds."""
        return statistics.median(self.seconds)

    def faster_than(self, other):
        """Median over the rounds of the seconds of `other` over these: above 1 this one is faster."""
        return statistics.median(b / a for a, b in zip(self.seconds, other.seconds, strict=True))


def alternate(functions, repeats):
    """Time ``{name: function}`` in turns, after one warm-up each, in which memory is watched."""
    results, peaks = {}, {}
    for name, function in functions.items():
        progress(f"  warm-up: {name}")
        with MemoryPeak() as memory:
            results[name] = function()
        peaks[name] = memory.anonymous
    seconds = {name: [] for name in functions}
    order = list(functions)
    for i in range(repeats):
        progress(f"  round {i + 1} of {repeats}")
        for name in order:
            gc.collect()
            time.sleep(_PAUSE)
            start = time.perf_counter()
            functions[name]()
            seconds[name].append(time.perf_counter() - start)
        order.append(order.pop(0))  # nobody is always the one that comes after a certain other one
    return {name: Timing(seconds[name], results[name], peaks[name]) for name in functions}


def seconds_per_call(function, repeats):
    """Median seconds of one call of a function, after a warm-up; short calls are repeated for 20 ms."""
    function()
    found = []
    for _ in range(repeats):
        n_calls, start = 0, time.perf_counter()
        while n_calls == 0 or time.perf_counter() - start < 0.02:
            function()
            n_calls += 1
        found.append((time.perf_counter() - start) / n_calls)
    return statistics.median(found)


class MemoryPeak:
    """Watch this process's memory from a thread; peaks are in bytes, above what was in use at the start.

    Attributes
    ----------
    anonymous : int or None
        Peak of RssAnon: arrays and the heap. None where there is no /proc.
    mapped : int or None
        Peak of RssFile: resident pages of mapped files.
    """

    def __init__(self):
        self.anonymous = self.mapped = None

    def __enter__(self):
        gc.collect()
        _trim_heap()
        self._start = _resident()
        if self._start is not None:
            self.anonymous = self.mapped = 0
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exc):
        if self._start is not None:
            self._stop.set()
            self._thread.join()

    def _watch(self):
        while True:
            last = self._stop.wait(_SAMPLING_INTERVAL)
            anonymous, mapped = _resident()
            self.anonymous = max(self.anonymous, anonymous - self._start[0])
            self.mapped = max(self.mapped, mapped - self._start[1])
            if last:
                return


def _trim_heap():
    """Give freed memory back to the system: what is taken from the heap again would not be seen."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass  # not glibc


def _resident():
    """``(anonymous, mapped)`` resident bytes of this process; None where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            lines = dict(line.split(":", 1) for line in status)
    except OSError:
        return None
    return tuple(int(lines[key].split()[0]) * 1024 for key in ("RssAnon", "RssFile"))


def difference(a, b):
    """``||a - b||_F / ||b||_F``."""
    a, b = (x.toarray() if sparse.issparse(x) else x for x in (a, b))
    return float(np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b.astype(np.float64)))


def verdict(ok, target):
    """Cell that says what was to be reached and whether it was."""
    return f"{target}: {'met' if ok else 'MISSED'}"


def random_csr(m, n, nnz, dtype=np.float64, seed=0):
    """CSR of uniformly random non-zeros, equally many in every row (up to a few that coincide)."""
    rng = np.random.default_rng(seed)
    per_row = nnz // m
    indices = np.sort(rng.integers(0, n, size=(m, per_row), dtype=np.int32), axis=1)
    data = rng.standard_normal(m * per_row).astype(dtype)
    indptr = np.arange(m + 1, dtype=np.int32) * per_row
    A = sparse.csr_array((data, indices.ravel(), indptr), shape=(m, n))
    A.sum_duplicates()
    return A


def data_file(folder, name):
    """The path of a file of the data sets that the environment variable SKLR_DATA names."""
    root = os.environ.get("SKLR_DATA")
    if not root:
        raise FileNotFoundError("SKLR_DATA does not name the folder of the data sets")
    path = Path(root) / folder / name
    if not path.is_file():
        raise FileNotFoundError(f"there is no {folder}/{name} in the folder that SKLR_DATA names")
    return path


def progress(line):
    """Print a line that is no result."""
    print(line, file=sys.stderr, flush=True)


def machine():
    """The machine and the versions that a table is for."""
    blas = [
        f"{lib['internal_api']} {lib['version']} ({lib['num_threads']} threads)"
        for lib in threadpoolctl.threadpool_info()
        if lib["user_api"] == "blas"
    ]
    versions = {m.__name__: m.__version__ for m in (sklr, np, scipy, sklearn)}
    return {
        "processor": _processor(),
        "cores": joblib.cpu_count(),
        "memory_gib": round(_memory() / 2**30, 1) if _memory() else None,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
        "blas": ", ".join(dict.fromkeys(blas)),
    }


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _memory():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


class Report:
    """Rows of results, printed as one table at the end, after what went wrong as well.

    Parameters
    ----------
    description : str
        Its first line is the title.
    args : Namespace
        From `arguments`.
    """

    def __init__(self, description, args):
        self._title = description.strip().splitlines()[0]
        self._args = args
        self._machine = machine()
        self._rows = []
        self._notes = []

    def __enter__(self):
        return self

    def add(self, **row):
        """Add a row; underscores in the names of columns become spaces."""
        self._rows.append({name.replace("_", " "): value for name, value in row.items()})
        progress("  " + ", ".join(f"{k} {_cell(v)}" for k, v in self._rows[-1].items()))

    def note(self, line):
        """Add a line that stands below the table."""
        self._notes.append(line)
        progress(line)

    def __exit__(self, *exc):
        print(f"\n{self._title}{' (--quick: of no account)' if self._args.quick else ''}")
        print("  ".join(f"{k}={v}" for k, v in self._machine.items()))
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        cells = [[_cell(row.get(name)) for name in columns] for row in self._rows]
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for line in [columns, ["-" * w for w in widths], *cells]:
            print("  ".join(_aligned(text, w) for text, w in zip(line, widths, strict=True)).rstrip())
        for line in self._notes:
            print(line)
        if self._args.json:
            found = {"title": self._title, "quick": self._args.quick, "machine": self._machine}
            with open(self._args.json, "w", encoding="utf-8") as file:
                json.dump({**found, "rows": self._rows, "notes": self._notes}, file, indent=1)


def _cell(value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        # Seconds and ratios to three digits; differences and rates as powers of ten.
        if value == 0 or 1e-3 <= abs(value) < 100:
            return f"{value:.3g}"
        return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.1e}"
    return str(value)


def _aligned(text, width):
    is_number = text[:1].isdigit() or text[:2].lstrip("-")[:1].isdigit() or text == "-"
    return text.rjust(width) if is_number else text.ljust(width)


def mib(n_bytes):
    """Bytes as whole MiB; None stays."""
    return None if n_bytes is None else round(n_bytes / 2**20)
