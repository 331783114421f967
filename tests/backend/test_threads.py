"""Threads: `ordered`, `session`, the pool and the BLAS limit, alone and against one another.

What could hang runs in a thread or a process of its own that is given up after a while, so that a deadlock is
a failure and not a hang. Where more threads than cores are needed, the number of cores is pretended.
"""

import contextlib
import os
import queue
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st

import sklr
from sklr._backend import as_operand, check_n_threads, cpu_count, ordered, session, threads

PATIENCE = 40  # seconds after which something is taken to hang


def blas_threads():
    """The number of threads of every BLAS library of this process."""
    controller = threadpoolctl.ThreadpoolController().select(user_api="blas")
    return [library["num_threads"] for library in controller.info()]


@pytest.fixture
def found():
    """Limits that differ from 1, as a user may have set them: what every session must leave behind."""
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        limits = blas_threads()
        if not limits or set(limits) == {1}:
            pytest.skip("needs a BLAS with threads that threadpoolctl knows")
        yield limits
        assert blas_threads() == limits


@pytest.fixture
def four_cores(monkeypatch):
    """Four cores and a pool of its own."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    monkeypatch.setattr(threads, "_workers", threads._Workers())


def within_patience(function):
    """``function()`` in a thread of its own; a failure where it does not come back."""
    outcome = queue.Queue()

    def run():
        try:
            outcome.put((function(), None))
        except BaseException as failure:
            outcome.put((None, failure))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, failure = outcome.get(timeout=PATIENCE)
    except queue.Empty:
        pytest.fail(f"hangs: not back after {PATIENCE} s")
    if failure is not None:
        raise failure
    return result


def wait_until(condition):
    """Whether `condition()` becomes true before patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def run_ordered(compute, tasks, commit=None, n_threads=4):
    """`ordered` in a session of its own, without the chance to hang."""

    def run():
        with session(n_threads):
            ordered(compute, tasks, commit)

    within_patience(run)


def run_script(code, **env):
    """Run a script in a new process; its output, or a failure that shows it."""
    env = dict(os.environ, PYTHONPATH=str(Path(sklr.__file__).parents[1]), **env)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=env,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- ordered -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2, 4])
@pytest.mark.parametrize("is_list", [True, False], ids=["list", "generator"])
def test_results_are_committed_in_task_order(four_cores, n_threads, is_list):
    """Catches results that are committed as they come, twice, never, or two at a time."""
    rng = np.random.default_rng(0)
    pauses = rng.choice([0, 0, 0.002], size=150)
    committed, committing = [], []

    def compute(i):
        time.sleep(pauses[i])
        return i * i

    def commit(result):
        committing.append(1)
        assert len(committing) == 1
        time.sleep(0)
        committed.append(result)
        committing.pop()

    tasks = list(range(150)) if is_list else iter(range(150))
    run_ordered(compute, tasks, commit, n_threads)
    assert committed == [i * i for i in range(150)]


@pytest.mark.parametrize("n_threads", [2, 4])
def test_tasks_run_at_the_same_time(four_cores, n_threads):
    """Catches a loop that is serial: its tasks would never meet."""
    barrier = threading.Barrier(n_threads)
    run_ordered(lambda i: barrier.wait(PATIENCE), range(3 * n_threads), n_threads=n_threads)


@pytest.mark.parametrize("n_tasks", [0, 1, 2])
@pytest.mark.parametrize("n_threads", [1, 4])
def test_few_tasks(four_cores, n_tasks, n_threads):
    """Catches a wait for a helper that gets no task."""
    for tasks in (range(n_tasks), iter(range(n_tasks))):
        committed = []
        run_ordered(lambda i: i, tasks, committed.append, n_threads)
        assert committed == list(range(n_tasks))
    run_ordered(lambda i: i, range(n_tasks), None, n_threads)


class Failure(Exception):
    """Says where it was raised."""


STAGES = ("pull", "compute", "commit")


@settings(max_examples=40)
@given(
    failing=st.sets(st.tuples(st.integers(0, 24), st.sampled_from(STAGES)), min_size=1, max_size=4),
    slow=st.sets(st.integers(0, 24), max_size=5),
    n_threads=st.sampled_from([1, 2, 4]),
)
def test_the_first_failure_in_task_order_is_raised(failing, slow, n_threads):
    """Catches the error that was first in time, a result committed behind a failure or missing before it, and
    a failure in any stage that leaves a thread waiting."""
    committed = []

    def maybe_fail(i, stage):
        if i in slow:
            time.sleep(0.003)  # so that later failures are seen first
        if (i, stage) in failing:
            raise Failure(i, stage)

    def tasks():
        for i in range(25):
            maybe_fail(i, "pull")
            yield i

    def compute(i):
        maybe_fail(i, "compute")
        return i

    def commit(i):
        maybe_fail(i, "commit")
        committed.append(i)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "cpu_count", lambda: 4)
        with pytest.raises(Failure) as raised:
            run_ordered(compute, tasks(), commit, n_threads)
    first = min(failing, key=lambda where: (where[0], STAGES.index(where[1])))
    assert raised.value.args == first
    assert committed == list(range(first[0]))
    assert threads._workers.active == 0


@pytest.mark.parametrize("n_threads", [1, 4])
def test_stop_iteration_in_a_task_is_an_error(four_cores, n_threads):
    """Catches a StopIteration of a task that is taken for the end of the tasks: rows would be missing."""

    def compute(i):
        if i == 3:
            next(iter(()))
        return i

    with pytest.raises((StopIteration, RuntimeError)):
        run_ordered(compute, range(10), n_threads=n_threads)


def test_a_failure_that_comes_first_in_time_only(four_cores):
    """Catches the error of a later task that is raised because it was there first."""
    later_has_failed = threading.Event()

    def compute(i):
        if i == 1:
            later_has_failed.set()
            raise Failure(1)
        if i == 0:
            assert later_has_failed.wait(PATIENCE)
            time.sleep(0.02)
            raise Failure(0)

    with pytest.raises(Failure, match="0"):
        run_ordered(compute, range(10), n_threads=2)


def test_the_pool_works_after_a_failure(four_cores):
    """Catches a helper or a count that a failure leaves behind."""
    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            run_ordered(lambda i: 1 // (5 - i), range(100))
    test_tasks_run_at_the_same_time(None, 4)
    assert threads._workers.active == 0


@pytest.mark.parametrize("n_threads", [2, 4])
def test_results_that_wait_are_bounded(four_cores, n_threads):
    """Catches a reader that runs ahead: memory would grow with the data while one slow task is waited for."""
    window = 2 * n_threads  # as documented
    pulled, committed, peak = 0, 0, 0

    def tasks():
        nonlocal pulled, peak
        for i in range(100):
            pulled += 1
            peak = max(peak, pulled - committed)
            yield i

    def compute(i):
        if i == 0:
            assert wait_until(lambda: pulled - committed >= window)
            time.sleep(0.05)  # a reader that is not held goes on here
        return i

    def commit(i):
        nonlocal committed
        committed += 1

    run_ordered(compute, tasks(), commit, n_threads)
    assert committed == 100
    assert peak == window


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_a_task_that_calls_back_is_serial(four_cores, n_threads):
    """Catches a pool that is fed from inside itself, which deadlocks when all its threads do so."""

    def compute(i):
        inside, committed = set(), []

        def inner(j):
            inside.add(threading.get_ident())
            time.sleep(0.001)  # a helper would get its turn
            return i * j

        with session():
            ordered(inner, range(8), committed.append)
        assert inside == {threading.get_ident()} or n_threads == 1
        return sum(committed)

    sums = []
    run_ordered(compute, range(12), sums.append, n_threads)
    assert sums == [28 * i for i in range(12)]


def test_a_task_that_asks_for_threads_is_serial(four_cores):
    """Catches an explicit number inside a task that gets helpers beyond the cores."""

    def compute(i):
        inside = set()
        with session(4):
            ordered(lambda j: (inside.add(threading.get_ident()), time.sleep(0.001)), range(8))
        return inside == {threading.get_ident()}

    serial = []
    run_ordered(compute, range(12), serial.append, 2)
    assert serial == [True] * 12


def test_an_interrupt_stops_cleanly():
    """Catches an interrupt that hangs, is swallowed, leaves helpers at work or the BLAS limit in place."""
    run_script(
        """
        import os, signal, threading, time
        import threadpoolctl
        from sklr._backend import ordered, session, threads

        signal.signal(signal.SIGINT, signal.default_int_handler)
        threads.cpu_count = lambda: 4
        threadpoolctl.threadpool_limits(3, user_api="blas")

        def limits():
            libraries = threadpoolctl.threadpool_info()
            return [library["num_threads"] for library in libraries if library["user_api"] == "blas"]

        found = limits()
        main = threading.main_thread()
        interrupted = threading.Event()

        def on_interrupt(*args):
            interrupted.set()
            raise KeyboardInterrupt

        def wait_until(condition):
            for _ in range(40_000):
                if condition():
                    return
                time.sleep(0.001)
            os._exit(2)

        def expect_interrupt(compute, commit=None, tasks=1000, n_threads=2):
            interrupted.clear()
            try:
                with session(n_threads):
                    ordered(compute, iter(range(tasks)), commit)
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError("no interrupt")
            wait_until(lambda: threads._workers.active == 0)
            assert limits() == found, limits()
            seen = []
            barrier = threading.Barrier(4)
            with session(4):
                ordered(lambda i: (barrier.wait(40), i)[1], range(16), seen.append)
            assert seen == list(range(16))

        # In a task, and in a commit, of the main thread.
        def in_main(i):
            if threading.current_thread() is main:
                signal.raise_signal(signal.SIGINT)
            time.sleep(0.001)  # the main thread gets its turn

        def slow(i):
            time.sleep(0.001)

        expect_interrupt(in_main)
        expect_interrupt(slow, in_main)
        expect_interrupt(in_main, n_threads=1)

        # While the main thread waits for a slow task of a helper: first for the window, then at the end.
        signal.signal(signal.SIGINT, on_interrupt)

        def interrupt_soon():
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)

        def slow_helper(i):
            if threading.current_thread() is main:
                wait_until(lambda: first)  # the helper has a task now
            elif not first:
                first.append(i)
                threading.Thread(target=interrupt_soon).start()
                assert interrupted.wait(40)

        for tasks in (1000, 4):
            first = []
            expect_interrupt(slow_helper, tasks=tasks)
        """
    )


# -- session -----------------------------------------------------------------------------------


def test_sessions_nest(four_cores):
    """Catches an inner session that resets the number of threads, or an outer one that forgets its own."""
    with session() as outer:
        assert outer == 4
    with session(3) as outer:
        assert outer == 3
        with session() as inner:
            assert inner == 3
        with session(2) as inner:
            assert inner == 2
            with session() as innermost:
                assert innermost == 2
        with session() as inner:
            assert inner == 3
    with session() as outer:
        assert outer == 4


def test_a_session_says_nothing_to_other_threads(four_cores):
    """Catches a number of threads that one caller sets for another one."""
    with session(1):

        def other():
            with session() as n_threads:
                return n_threads

        assert within_patience(other) == 4


def test_a_thread_counts_once(four_cores):
    """Catches nested sessions that take one core each, so that an inner call gets no helpers."""
    active = []
    with session(), session(2):
        with contextlib.suppress(Failure), session():
            active.append(threads._workers.active)
            raise Failure
        active.append(threads._workers.active)
    active.append(threads._workers.active)
    assert active == [1, 1, 0]


@pytest.mark.parametrize("n_threads", [0, -1])
def test_n_threads_out_of_range(n_threads):
    """Catches ``-1`` taken for "all", or an error that does not name the parameter and the remedy."""
    for call in (check_n_threads, lambda n: session(n).__enter__()):
        with pytest.raises(ValueError, match="n_threads must be at least 1.*Use None"):
            call(n_threads)


@pytest.mark.parametrize("n_threads", [2.0, "2", True, [2], np.float64(1)])
def test_n_threads_of_a_wrong_type(n_threads):
    """Catches a float, a string or a bool that passes as a number of threads."""
    with pytest.raises(TypeError, match="n_threads must be None or an int"):
        check_n_threads(n_threads)


def test_a_wrong_n_threads_leaves_nothing_behind(found):
    """Catches a check that comes after the limit has been set."""
    with pytest.raises(ValueError, match="n_threads"):
        as_operand(np.ones((3, 3))).gram(n_threads=0)
    assert blas_threads() == found
    assert threads._workers.active == 0


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(None, 8), ("", 8), ("2", 2), ("3,2", 3), (" 1 ", 1), ("16", 8), ("0", 8), ("-1", 8), ("many", 8)],
)
def test_cpu_count(monkeypatch, limit, expected):
    """Catches worker processes that use all cores each although OMP_NUM_THREADS tells them not to."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if limit is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert cpu_count() == expected
    assert check_n_threads(None) == expected
    assert check_n_threads(np.int64(5)) == 5


# -- the BLAS limit ----------------------------------------------------------------------------


def test_blas_has_one_thread_inside(found, four_cores):
    """Catches a limit that is not set, not seen by the helpers, or left behind."""
    barrier = threading.Barrier(4)
    seen = {}

    def compute(i):
        barrier.wait(PATIENCE)
        seen[threading.get_ident()] = blas_threads()

    run_ordered(compute, range(8))
    assert len(seen) == 4
    assert all(set(limits) == {1} for limits in seen.values())
    assert blas_threads() == found


@pytest.mark.parametrize("n_threads", [1, 2])
def test_failures_restore_the_limit(found, n_threads):
    """Catches a limit that is restored only where all goes well."""
    with contextlib.suppress(ZeroDivisionError), session(n_threads):
        assert set(blas_threads()) == {1}
        1 / 0  # noqa: B018
    assert blas_threads() == found
    with pytest.raises(ZeroDivisionError):
        run_ordered(lambda i: 1 // i, range(10), n_threads=n_threads)
    assert blas_threads() == found


class Caller:
    """A thread that opens and closes sessions on command."""

    def __init__(self):
        self._commands = queue.Queue()
        self._done = queue.Queue()
        self.depth = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        open_sessions = []
        while (command := self._commands.get()) is not None:
            if command == "enter":
                open_sessions.append(session())
                open_sessions[-1].__enter__()
            elif command == "exit":
                open_sessions.pop().__exit__(None, None, None)
            else:
                failure = Failure()
                with contextlib.suppress(Failure):
                    open_sessions.pop().__exit__(Failure, failure, None)
            self._done.put(command)

    def do(self, command):
        self.depth += 1 if command == "enter" else -1
        self._commands.put(command)
        self._done.get(timeout=PATIENCE)

    def end(self):
        while self.depth:
            self.do("exit")
        self._commands.put(None)
        self._thread.join(PATIENCE)


def limits_follow(callers, script, found):
    """After every step the limit is 1 where a session is open, and as found where none is."""
    for i, command in script:
        if command == "enter" or callers[i].depth:
            callers[i].do(command)
        is_open = any(caller.depth for caller in callers)
        expected = [1] * len(found) if is_open else found
        assert blas_threads() == expected, (script, i, command)


@pytest.mark.parametrize("order", ["AB", "BA", "AAB", "ABA", "BAA"])
def test_two_overlapping_sessions(found, order):
    """Catches limits nested naively: out of order, the second one out restores the limit of the first one in,
    and the process has one thread for ever."""
    callers = [Caller(), Caller()]
    names = "AB"
    entries = [(names.index(name), "enter") for name in sorted(order)]
    exits = [(names.index(name), "exit") for name in order]
    try:
        limits_follow(callers, entries + exits, found)
        limits_follow(callers, entries + exits, found)
    finally:
        for caller in callers:
            caller.end()
    assert blas_threads() == found


STEPS = st.tuples(st.integers(0, 2), st.sampled_from(["enter", "exit", "fail"]))


@settings(max_examples=20)
@given(script=st.lists(STEPS, max_size=25))
def test_any_interleaving_of_sessions(script):
    """Catches what the named orders miss: re-entry, three callers, failures on the way out."""
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        callers = [Caller(), Caller(), Caller()]
        found = blas_threads()
        try:
            limits_follow(callers, script, found)
        finally:
            for caller in callers:
                caller.end()
        assert blas_threads() == found
        assert threads._workers.active == 0


def test_what_a_user_sets_in_between_is_found_again():
    """Catches a limit that is read once per process instead of at the first session in."""
    for limit in (2, 3, 1):
        with threadpoolctl.threadpool_limits(limit, user_api="blas"):
            found = blas_threads()
            with session():
                pass
            assert blas_threads() == found


def test_a_library_that_comes_later_is_limited():
    """Catches a list of libraries that is made once: SciPy brings a BLAS of its own when its linear algebra
    is imported."""
    run_script(
        """
        import threadpoolctl
        from sklr._backend import session

        with session():
            pass
        before = len(threadpoolctl.threadpool_info())
        import scipy.linalg
        threadpoolctl.threadpool_limits(3, user_api="blas")
        limits = [lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]
        with session():
            for lib in threadpoolctl.threadpool_info():
                assert lib["user_api"] != "blas" or lib["num_threads"] == 1, lib
        after = [lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]
        assert after == limits, (after, limits)
        """
    )


class Library:
    """A BLAS as threadpoolctl shows it; one that is stubborn keeps its threads."""

    user_api = "blas"

    def __init__(self, name, n_threads, is_stubborn=False):
        self.internal_api = name
        self.n_threads = n_threads
        self.is_stubborn = is_stubborn
        self.asked = []

    def get_num_threads(self):
        return self.n_threads

    def set_num_threads(self, n_threads):
        self.asked.append(n_threads)
        if not self.is_stubborn:
            self.n_threads = n_threads


@pytest.fixture
def libraries(monkeypatch):
    """Three libraries: one that does not take a limit, one that does not tell, one that is tame."""
    libraries = [Library("stubborn", 7, is_stubborn=True), Library("silent", None, True), Library("tame", 5)]

    class Controller:
        lib_controllers = libraries

        def select(self, user_api):
            assert user_api == "blas"
            return self

    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", Controller)
    monkeypatch.setattr(threads, "_blas", threads._BlasLimit())
    return libraries


def test_a_limit_that_does_not_take_is_reported(libraries):
    """Catches a limit that is taken on trust, blame of a library that is innocent, and a warning per call."""
    tame = libraries[2]
    with pytest.warns(RuntimeWarning, match=r"one thread: stubborn \(7 threads\)\. .*OMP_NUM_THREADS=1"):
        with session():
            assert tame.n_threads == 1
    assert tame.n_threads == 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with session(), session():
            assert tame.n_threads == 1
    assert tame.asked == [1, 5, 1, 5]
    assert None not in libraries[1].asked


def test_the_warning_as_an_error_leaves_no_limit(libraries):
    """Catches the limit that stays where the user has made warnings errors: the session was never open."""
    tame = libraries[2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="one thread"):
            with session():
                pytest.fail("must not be reached")
    assert tame.n_threads == 5
    with session():
        assert tame.n_threads == 1
    assert tame.n_threads == 5
    assert threads._workers.active == 0


# -- cores -------------------------------------------------------------------------------------


class Census:
    """Counts the threads that are inside at the same time."""

    def __init__(self):
        self._lock = threading.Lock()
        self.now = 0
        self.peak = 0
        self.idents = set()

    def __enter__(self):
        with self._lock:
            self.now += 1
            self.peak = max(self.peak, self.now)
            self.idents.add(threading.get_ident())

    def __exit__(self, *exc):
        with self._lock:
            self.now -= 1


@pytest.mark.parametrize("n_callers", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("n_threads", [None, 2, 16])
def test_threads_at_work_do_not_exceed_the_cores(four_cores, n_callers, n_threads):
    """Catches callers that get a full set of helpers each: four fits would run sixteen threads."""
    census = Census()
    everyone_is_in = threading.Barrier(n_callers)

    def compute(i):
        with census:
            time.sleep(0.001)

    def call():
        with session(n_threads):
            everyone_is_in.wait(PATIENCE)
            for _ in range(3):
                ordered(compute, range(10))
            everyone_is_in.wait(PATIENCE)

    callers = [threading.Thread(target=call, daemon=True) for _ in range(n_callers)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
        assert not caller.is_alive()
    # Callers are threads of the user's: they are not refused.
    assert census.peak <= max(4, n_callers)
    assert census.peak <= n_callers * (n_threads or 4)
    assert threads._workers.active == 0


def test_grants_under_churn(four_cores, monkeypatch):
    """Catches a count that drifts when callers come and go: helpers are granted only on free cores."""
    granted = []
    hire = threads._Workers.hire

    def recorded(self, n_wanted, work, helpers):
        hire(self, n_wanted, work, helpers)
        with self._lock:
            granted.append((len(helpers), n_wanted))

    monkeypatch.setattr(threads._Workers, "hire", recorded)
    peak, inside = [], Census()

    def call():
        for _ in range(30):
            with inside, session():
                ordered(lambda i: peak.append(threads._workers.active), range(6))

    callers = [threading.Thread(target=call, daemon=True) for _ in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
        assert not caller.is_alive()
    assert threads._workers.active == 0
    assert all(0 <= n_helpers <= min(n_wanted, 3) for n_helpers, n_wanted in granted)
    # A caller that comes while helpers are at work is counted beyond the cores until one of them leaves.
    assert max(peak) <= 4 + inside.peak - 1
    test_tasks_run_at_the_same_time(None, 4)


def test_helpers_leave_when_a_caller_comes(four_cores):
    """Catches helpers that stay to the end of a long call while a caller that came later has no core."""
    gate = threading.Semaphore(0)
    started = Census()

    def compute(i):
        with started:
            gate.acquire()

    long_call = threading.Thread(target=run_ordered, args=(compute, range(40)), daemon=True)
    long_call.start()
    try:
        assert wait_until(lambda: started.now == 4)
        assert threads._workers.active == 4
        with session():
            assert threads._workers.active == 5
            gate.release(12)
            # One that goes may be enough; all that look while there is one too many go.
            assert wait_until(lambda: threads._workers.active <= 4 and started.now <= 3)
            inside = []
            ordered(lambda i: inside.append(threading.get_ident()), range(10))
            assert len(inside) == 10
    finally:
        gate.release(100)
    long_call.join(PATIENCE)
    assert not long_call.is_alive()
    assert threads._workers.active == 0


def test_a_pool_grows_with_the_cores(monkeypatch):
    """Catches a pool that keeps the size of its first use when a process is given more cores."""
    monkeypatch.setattr(threads, "_workers", threads._Workers())
    for n_cores in (2, 4, 3):
        monkeypatch.setattr(threads, "cpu_count", lambda n_cores=n_cores: n_cores)
        test_tasks_run_at_the_same_time(None, n_cores)
    with pytest.raises(threading.BrokenBarrierError):
        barrier = threading.Barrier(4)
        run_ordered(lambda i: barrier.wait(0.05), range(12), n_threads=4)  # three cores


# -- results of overlapping callers ------------------------------------------------------------


def some_bits(n_threads=None):
    """Bytes that a verb gives: enough tiles for four threads, sums that notice their order."""
    A = np.random.default_rng(0).standard_normal((3000, 60))
    operand = as_operand(A)
    return b"".join(
        np.ascontiguousarray(result).tobytes()
        for result in (
            operand.gram(n_threads=n_threads),
            operand.normal_matmat(A[:60, :5], n_threads=n_threads),
            operand.matmat(A[:60, :5], n_threads=n_threads),
        )
    )


def test_overlapping_callers_get_the_bits_of_a_lone_one(found, four_cores):
    """Catches state shared by calls, and bits that depend on how many helpers a call got."""
    expected = some_bits(1)
    results = [[] for _ in range(4)]

    def call(mine, n_threads):
        for _ in range(5):
            mine.append(some_bits(n_threads) == expected)

    callers = [
        threading.Thread(target=call, args=(mine, n_threads), daemon=True)
        for mine, n_threads in zip(results, (None, 1, 2, 4), strict=True)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
        assert not caller.is_alive()
    assert [len(mine) for mine in results] == [5] * 4
    assert all(all(mine) for mine in results)
    assert blas_threads() == found


def test_joblib_threads(found, four_cores):
    """Catches what only joblib's own pool of threads does: callers that are kept and used again."""
    expected = some_bits(1)
    results = within_patience(
        lambda: joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(some_bits)() for _ in range(6))
    )
    assert results == [expected] * 6
    assert blas_threads() == found


def test_joblib_processes():
    """Catches workers that take all cores each, and results that depend on the process."""
    run_script(
        """
        import os
        import joblib
        import numpy as np
        from sklr._backend import as_operand, cpu_count

        def task(i):
            A = np.random.default_rng(i).standard_normal((3000, 60))
            limit = int(os.environ["OMP_NUM_THREADS"])
            bits = as_operand(A).gram().tobytes()
            return os.getpid(), limit, cpu_count(), joblib.cpu_count(), bits

        for parameters in ({}, {"inner_max_num_threads": 1}):
            with joblib.parallel_config("loky", n_jobs=2, **parameters):
                results = joblib.Parallel()(joblib.delayed(task)(i) for i in range(4))
            for i, (pid, limit, n_threads, cores, bits) in enumerate(results):
                assert pid != os.getpid()
                assert n_threads == min(limit, cores), (limit, n_threads, cores)
                assert limit == 1 or not parameters
                A = np.random.default_rng(i).standard_normal((3000, 60))
                assert bits == as_operand(A).gram(n_threads=1).tobytes()
        """
    )


# -- fork --------------------------------------------------------------------------------------

FORK = """
import os, signal, sys, threading, time, traceback, warnings
import numpy as np
import threadpoolctl
from sklr._backend import as_operand, ordered, session, threads

warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads: that is what is tested
threads.cpu_count = lambda: 4
threadpoolctl.threadpool_limits(3, user_api="blas")

def limits():
    return [lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]

found = limits()
A = np.random.default_rng(0).standard_normal((3000, 60))

def works():
    # Four threads meet, the limit holds inside and is lifted outside, and the sums are right.
    barrier = threading.Barrier(4)
    seen = []
    with session(4):
        ordered(lambda i: (barrier.wait(30), limits())[1], range(8), seen.append)
    assert [set(limit) for limit in seen] == [{1}] * 8, seen
    assert limits() == found, (limits(), found)
    assert np.array_equal(as_operand(A).gram(n_threads=4), expected)
    assert threads._workers.active == 0

expected = as_operand(A).gram(n_threads=1)

def check(status):
    assert status == 0, "the child hangs" if os.WIFSIGNALED(status) else "the child failed"

def in_child(function):
    pid = os.fork()
    if pid:
        check(os.waitpid(pid, 0)[1])
        return
    signal.alarm(30)  # kills a child that hangs
    try:
        function()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")


@needs_fork
def test_a_child_has_a_pool_of_its_own():
    """Catches a child that waits for threads which did not survive the fork."""
    run_script(FORK + "works()\nin_child(works)\nin_child(lambda: in_child(works))\nworks()\n")


@needs_fork
def test_a_fork_while_another_thread_is_at_work():
    """Catches a child that keeps the limit, the locks or the count of a call that does not run in it."""
    run_script(
        FORK
        + textwrap.dedent(
            """
            inside, over = threading.Event(), threading.Event()

            def other():
                with session(4):
                    ordered(lambda i: (inside.set(), over.wait(60)), range(8))

            thread = threading.Thread(target=other)
            thread.start()
            assert inside.wait(30)
            assert set(limits()) == {1}

            def child():
                assert limits() == found, (limits(), found)
                assert threads._workers.active == 0
                works()

            in_child(child)
            assert set(limits()) == {1}
            over.set()
            thread.join()
            works()
            """
        )
    )


@needs_fork
def test_forks_while_sessions_come_and_go():
    """Catches a lock that is held, or a limit that is half set, at the moment of the fork."""
    run_script(
        FORK
        + textwrap.dedent(
            """
            over = threading.Event()

            def other():
                while not over.is_set():
                    as_operand(A).gram(n_threads=4)

            busy = [threading.Thread(target=other) for _ in range(2)]
            for thread in busy:
                thread.start()
            try:
                for _ in range(15):
                    in_child(works)
            finally:
                over.set()
                for thread in busy:
                    thread.join()
            assert limits() == found
            works()
            """
        )
    )


@needs_fork
def test_a_fork_waits_until_a_limit_is_set_or_restored():
    """Catches a child that finds the limit set but no note of what it was: it would keep one thread."""
    run_script(
        FORK
        + textwrap.dedent(
            """
            slow, halfway = threading.Event(), threading.Event()
            set_threads = threads._set_blas_threads

            def set_slowly(library, n_threads):
                if slow.is_set():
                    halfway.set()
                    time.sleep(0.2)
                set_threads(library, n_threads)

            threads._set_blas_threads = set_slowly

            def other():
                with session():
                    inside.set()
                    assert leave.wait(30)

            for moment in ("in", "out"):
                inside, leave = threading.Event(), threading.Event()
                thread = threading.Thread(target=other)
                if moment == "in":
                    slow.set()
                    thread.start()
                else:
                    thread.start()
                    assert inside.wait(30)
                    slow.set()
                    leave.set()
                assert halfway.wait(30)
                slow.clear()
                in_child(works)
                leave.set()
                thread.join()
                halfway.clear()
                works()
            """
        )
    )


@needs_fork
def test_a_fork_inside_a_session():
    """Catches a child that counts its parent's session: the next one would set no limit, or never lift it."""
    run_script(
        FORK
        + textwrap.dedent(
            """
            def fork_in_task(i):
                if i == 3:
                    in_child(works)
                return i

            for n_threads in (1, 4):
                seen = []
                with session(n_threads):
                    in_child(works)
                    ordered(fork_in_task, range(8), seen.append)
                assert seen == list(range(8))
                works()

            # A child that leaves the session that its parent had opened.
            with session(), session():
                pid = os.fork()
            if pid == 0:
                signal.alarm(30)
                try:
                    works()
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            check(os.waitpid(pid, 0)[1])
            works()
            """
        )
    )


@needs_fork
def test_forked_multiprocessing_workers(found):
    """Catches a pool of processes that is forked after use, the commonest way to fork."""
    output = run_script(
        FORK
        + textwrap.dedent(
            """
            import multiprocessing

            def task(i):
                return as_operand(A).gram(n_threads=2).tobytes() == expected.tobytes(), limits()

            works()
            with multiprocessing.get_context("fork").Pool(2) as pool:
                results = pool.map_async(task, range(6)).get(60)
            assert results == [(True, found)] * 6, results
            print("done")
            """
        )
    )
    assert "done" in output
