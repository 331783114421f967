"""One line that tells how far a search is."""

import sys
import threading
import time

import numpy as np

from sklr._sklearn_compat import score_of


class Progress:
    """A line on the standard error that is written over: candidates done, time left, the best so far.

    Parameters
    ----------
    candidates : list of dict
        Their parameters.
    n_splits : int
        How often each is evaluated.
    label : str
        Written before the rest.
    metric : str
        The score that is shown, where there are several.
    verbose : int
        0: nothing is written.
    """

    def __init__(self, candidates, n_splits, label, metric, verbose):
        self._candidates, self._n_splits = candidates, n_splits
        self._label, self._metric, self._n_done = label, metric, 0
        self._shows, self._start, self._width = verbose > 0, time.perf_counter(), 0
        self._scores = [[] for _ in candidates]
        self._lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self._width:
            sys.stderr.write("\n")

    def of(self, block):
        """A function of what is done in a split: positions in a list of candidates, and their rows."""
        return lambda positions, rows: self._note([block[i] for i in positions], rows)

    def _note(self, members, rows):
        if not self._shows:
            return
        with self._lock:
            for i, row in zip(members, rows, strict=True):
                self._n_done += 1
                self._scores[i].append(score_of(row["test_scores"], self._metric))
            line = self._line()
            sys.stderr.write(f"\r{line:<{self._width}}")
            sys.stderr.flush()
            self._width = len(line)

    def _line(self):
        n_candidates, seconds = len(self._candidates), time.perf_counter() - self._start
        left = seconds / self._n_done * (n_candidates * self._n_splits - self._n_done)
        done = f"{self._n_done / self._n_splits:.3g} of {n_candidates} candidates"
        line = f"{self._label}{done}, {left:.0f} s left"
        # Of those that are furthest, because means over fewer splits are not comparable.
        scores = [values if np.isfinite(values).all() else [] for values in self._scores]
        most = max(map(len, scores))
        if most == 0:
            return line
        means = [np.mean(values) if len(values) == most else -np.inf for values in scores]
        best = int(np.argmax(means))
        text = " ".join(str(self._candidates[best]).split())  # estimators take several lines
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        return f"{line}, best so far {means[best]:.4g}: {text}"


_LONGEST = 100  # characters of parameters
