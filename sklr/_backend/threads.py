"""Threads: one pool of Python threads and one BLAS limit for the whole process.

The parallel work of sklr is done by Python threads, each calling single-threaded BLAS on a
tile of its own. BLAS's own threads are held at one while any sklr call is active, for two
reasons: with them gemm, QR, Cholesky, eigh and SVD return other bits for another number
of threads, and two pools that know nothing of each other fight for the same cores.

- `session` is what a public function enters: it holds the BLAS limit and says how many
  threads the verbs below it may use.
- `ordered` is the only parallel loop: results are computed by whoever is free and
  committed in the order of the tasks, so that a reduction has the same bits on any number
  of threads.
"""

import os
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from numbers import Integral

import joblib
import threadpoolctl

_local = threading.local()  # .n_threads: of the open session; .helping: inside a pool thread


def cpu_count():
    """Cores this process may use: affinity and cgroup, and at most ``OMP_NUM_THREADS``.

    joblib sets ``OMP_NUM_THREADS`` in the worker processes it starts, so that nested
    parallelism in processes does not oversubscribe the machine.
    """
    cores = joblib.cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if limit.isdigit() and int(limit) > 0:
        cores = min(cores, int(limit))
    return max(cores, 1)


def check_n_threads(n_threads):
    """Return `n_threads` as an int, None meaning `cpu_count`; raise if it is neither."""
    if n_threads is None:
        return cpu_count()
    if not isinstance(n_threads, Integral) or isinstance(n_threads, bool):
        raise TypeError(f"n_threads must be None or an int, got {n_threads!r}.")
    if n_threads < 1:
        raise ValueError(
            f"n_threads must be at least 1, got {n_threads}. Use None for all the cores of this process."
        )
    return int(n_threads)


class _BlasLimit:
    """One thread for BLAS while anybody is inside; the last one out restores what was found.

    Counted, because limits that are nested naively by two threads restore in the wrong
    order and leave the process at one thread for ever.
    """

    def __init__(self):
        self.lock = threading.RLock()  # held during a fork: a child must not find a limit half set
        self._depth = 0
        self._found = []  # (library, its number of threads before), while anybody is inside
        self._warned = False
        self._libraries = []
        self._n_modules = 0

    def _blas_libraries(self):
        # To look for them takes milliseconds, longer than a small fit. Another BLAS comes with an import.
        if self._n_modules != len(sys.modules):
            controller = threadpoolctl.ThreadpoolController().select(user_api="blas")
            self._libraries = controller.lib_controllers
            self._n_modules = len(sys.modules)
        return self._libraries

    def __enter__(self):
        with self.lock:
            if self._depth == 0:
                self._found = [(library, library.get_num_threads()) for library in self._blas_libraries()]
                for library, _ in self._found:
                    _set_blas_threads(library, 1)
                try:
                    self._read_back()
                except BaseException:  # the warning, where warnings are errors
                    self.restore()
                    raise
            self._depth += 1

    def __exit__(self, *exc):
        with self.lock:
            self._depth -= 1
            if self._depth == 0:
                self.restore()

    def restore(self):
        """Set what was found, if that has not been done."""
        found, self._found = self._found, []
        for library, n_threads in found:
            if n_threads is not None:
                _set_blas_threads(library, n_threads)

    def _read_back(self):
        now = [(library.internal_api, library.get_num_threads()) for library, _ in self._found]
        stuck = [(name, n_threads) for name, n_threads in now if n_threads not in (None, 1)]
        if stuck and not self._warned:
            self._warned = True
            names = ", ".join(f"{name} ({n_threads} threads)" for name, n_threads in stuck)
            warnings.warn(
                f"BLAS could not be limited to one thread: {names}. Results may differ in the last bits "
                "from run to run, and threads may compete; set OMP_NUM_THREADS=1 before starting Python.",
                RuntimeWarning,
                stacklevel=4,
            )


def _set_blas_threads(library, n_threads):
    # From threadpoolctl 3.8 on, `set_num_threads` silently does nothing in a thread that was not the first
    # one to call it. Sessions begin and end in any thread, one at a time, because of the lock.
    getattr(library, "_real_set_num_threads", library.set_num_threads)(n_threads)


class _Workers:
    """The pool, and the count of threads at work in sklr (callers and helpers together)."""

    def __init__(self):
        self._lock = threading.Lock()
        self._pool = None
        self._pool_size = 0
        self.active = 0

    def enter(self):
        with self._lock:
            self.active += 1

    def leave(self):
        with self._lock:
            self.active -= 1

    def hire(self, n_wanted, work, helpers):
        """Start at most `n_wanted` helpers on ``work(stay)``, within the cores that are free, and list them.

        ``stay()`` is asked between tasks; it turns false when a caller that came later
        needs the core.
        """
        cores = cpu_count()
        with self._lock:
            n_helpers = max(0, min(n_wanted, cores - self.active))
            if n_helpers == 0:
                return
            if self._pool_size < cores:
                # Helpers that are running finish on the old pool's threads.
                if self._pool is not None:
                    self._pool.shutdown(wait=False)
                self._pool = ThreadPoolExecutor(cores, thread_name_prefix="sklr")
                self._pool_size = cores
            for _ in range(n_helpers):
                # Counted here, before they start: a caller that arrives now must see them.
                self.active += 1
                try:
                    helpers.append(self._pool.submit(self._help, work, cores))
                except RuntimeError:  # no more threads to be had: the caller goes on with those it has
                    self.active -= 1
                    return

    def _help(self, work, cores):
        _local.helping = True
        try:
            work(lambda: self.active <= cores)
        finally:
            _local.helping = False
            self.leave()

    def dismiss(self, helpers):
        """Wait for `helpers`; those that never started are cancelled."""
        for helper in helpers:
            if helper.cancel():
                self.leave()
        for helper in helpers:
            if not helper.cancelled():
                helper.result()


_blas = _BlasLimit()
_workers = _Workers()


def _reset_after_fork():
    # Threads do not survive a fork, and locks may have been held by one of them. No call of the parent
    # is active here, so its limit is lifted; a frame of it that the child unwinds leaves the old objects.
    global _blas, _workers
    _workers = _Workers()
    _local.__dict__.clear()
    old, _blas = _blas, _BlasLimit()
    old.restore()
    old.lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _blas.lock.acquire(),
        after_in_parent=lambda: _blas.lock.release(),
        after_in_child=_reset_after_fork,
    )


@contextmanager
def session(n_threads=None):
    """Hold BLAS at one thread and allow the verbs inside `n_threads` threads.

    Sessions nest: an inner one with ``None`` inherits, an inner number is used as it is.
    Whatever the number, the threads at work in one process never exceed `cpu_count`
    beyond the callers' own.
    """
    outer = getattr(_local, "n_threads", None)
    n_threads = outer if n_threads is None and outer is not None else check_n_threads(n_threads)
    # A thread counts once, as a caller or as a helper, however deep its sessions.
    is_new_caller = outer is None and not getattr(_local, "helping", False)
    workers = _workers
    with _blas:
        if is_new_caller:
            workers.enter()
        _local.n_threads = n_threads
        try:
            yield n_threads
        finally:
            _local.n_threads = outer
            if is_new_caller:
                workers.leave()


class _OrderedRun:
    """State of one call of `ordered`, shared by the caller and its helpers."""

    def __init__(self, compute, tasks, commit, window):
        self._compute = compute
        self._tasks = enumerate(tasks)
        self._commit = commit
        self._window = window  # results kept waiting for an earlier one: bounds the memory
        self._pull = threading.Lock()
        self._state = threading.Condition()
        self._n_pulled = 0
        self._n_committed = 0
        self._committing = False
        self._ready = {}
        self._stopped = False
        self._failures = {}

    def work(self, stay):
        while stay():
            with self._pull:
                index, task = self._next_task()
            if index is None:
                return
            try:
                result = self._compute(task)
            except BaseException as failure:  # re-raised by `finish` in the calling thread
                self._stop(index, failure)
                return
            del task
            self._hand_in(index, result)

    def _next_task(self):
        with self._state:
            self._state.wait_for(lambda: self._stopped or self._n_pulled - self._n_committed < self._window)
            if self._stopped:
                return None, None
        try:
            index, task = next(self._tasks)
        except StopIteration:
            self._stop()
            return None, None
        except BaseException as failure:
            self._stop(self._n_pulled, failure)
            return None, None
        self._n_pulled = index + 1
        return index, task

    def _stop(self, index=None, failure=None):
        with self._state:
            self._stopped = True
            if failure is not None:
                self._failures[index] = failure
            self._state.notify_all()

    def _hand_in(self, index, result):
        with self._state:
            self._ready[index] = result
            if self._committing:
                return
            self._committing = True
        while True:
            with self._state:
                index = self._n_committed
                if index not in self._ready:
                    self._committing = False
                    return
                result = self._ready.pop(index)
            try:
                if self._commit is not None:
                    self._commit(result)
            except BaseException as failure:
                self._stop(index, failure)
                return  # still marked as committing, so that nobody commits what follows
            with self._state:
                self._n_committed += 1
                self._state.notify_all()

    def finish(self):
        if self._failures:
            # Tasks are pulled in order, so every task before this one was tried: which error
            # is raised does not depend on the number of threads.
            interrupts = [f for f in self._failures.values() if not isinstance(f, Exception)]
            raise interrupts[0] if interrupts else self._failures[min(self._failures)]


def ordered(compute, tasks, commit=None):
    """Call ``compute(task)`` for every task in parallel and ``commit(result)`` in task order.

    Parameters
    ----------
    compute : callable
        Called in any thread; must not touch shared state.
    tasks : iterable
        Pulled one at a time, in order, by whichever thread is free: a generator that reads a
        file is read sequentially and overlaps with the computation.
    commit : callable, default=None
        Called with the results one after the other in the order of the tasks (not always
        from the same thread): ``acc += result`` has the same bits on any number of threads.

    Raises
    ------
    Exception
        That of the first task, in task order, that failed.

    Notes
    -----
    Must run inside `session`. Called from inside a task it runs serially: the pool is never
    fed from within. At most two results per thread are held.
    """
    n_threads = 1 if getattr(_local, "helping", False) else _local.n_threads
    if n_threads == 1 or (hasattr(tasks, "__len__") and len(tasks) < 2):
        for task in tasks:
            result = compute(task)
            if commit is not None:
                commit(result)
        return
    run = _OrderedRun(compute, tasks, commit, window=2 * n_threads)
    n_helpers = n_threads - 1
    if hasattr(tasks, "__len__"):
        n_helpers = min(n_helpers, len(tasks) - 1)
    workers = _workers
    helpers = []
    try:
        workers.hire(n_helpers, run.work, helpers)
        _local.helping = True  # a task that calls back into sklr is serial in this thread too
        run.work(lambda: True)
    except BaseException as failure:  # an interrupt between two tasks
        run._stop(-1, failure)
    finally:
        _local.helping = False
        run._stop()
        workers.dismiss(helpers)
    run.finish()
