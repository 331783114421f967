"""One line that tells how far a search is."""

import sys
import threading
import time

import numpy as np


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
    verbose : int
        0: nothing is written.
    """

    def __init__(self, candidates, n_splits, label, verbose):
        self._candidates, self._n_splits, self._label = candidates, n_splits, label
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
                self._scores[i].append(_first(row["test_scores"]))
            line = self._line()
            sys.stderr.write(f"\r{line:<{self._width}}")
            sys.stderr.flush()
            self._width = len(line)

    def _line(self):
        n_done, n_candidates = sum(map(len, self._scores)), len(self._candidates)
        seconds = time.perf_counter() - self._start
        left = seconds / n_done * (n_candidates * self._n_splits - n_done)
        # Of those that are furthest, because means over fewer splits are not comparable.
        most = max(map(len, self._scores))
        means = [np.mean(scores) if len(scores) == most else -np.inf for scores in self._scores]
        best = int(np.argmax(np.nan_to_num(means, nan=-np.inf)))
        line = f"{self._label}{n_done / self._n_splits:.3g} of {n_candidates} candidates, {left:.0f} s left"
        return f"{line}, best so far {means[best]:.4g}: {self._candidates[best]}"


def _first(scores):
    return next(iter(scores.values())) if isinstance(scores, dict) else scores
