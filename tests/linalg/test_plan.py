"""The cost model: a pure function that takes the cheapest solver and says why not the others."""

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sklr._backend import Operand
from sklr.linalg import RowChunks, as_operand, centered, plan_low_rank
from sklr.linalg.plan import MAX_MEMORY, NAMED_SOLVERS, SOLVERS


@Operand.register
class Described:
    """All that a plan may look at; anything else is an AttributeError."""

    def __init__(self, shape, dtype="f8", container="dense", nnz=None):
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.container = container
        self.nnz = shape[0] * shape[1] if nnz is None else nnz
        self.sweeps_columns = container in ("dense", "sparse")


containers = st.sampled_from(["dense", "mapped", "sparse", "chunks"])


@st.composite
def problems(draw):
    shape = tuple(int(10 ** draw(st.floats(0, 7))) for _ in range(2))
    container = draw(containers)
    dtype = draw(st.sampled_from(["f4", "f8"]))
    size = shape[0] * shape[1]
    nnz = draw(st.integers(0, size)) if container == "sparse" else size
    k = draw(st.integers(1, min(*shape, 2000)))
    return Described(shape, dtype, container, nnz), k


@given(problems(), st.booleans(), st.integers(0, 50))
def test_cheapest_of_the_possible_is_chosen(problem, sketch_given, n_oversamples):
    """A cost that is not a positive number, a choice that is ruled out or is not the least."""
    A, k = problem
    try:
        plan = plan_low_rank(A, k, sketch_given=sketch_given, n_oversamples=n_oversamples)
    except ValueError as error:
        assert "There is no solver for rank" in str(error) and "max_memory=" in str(error)
        return
    assert set(plan.costs) == set(SOLVERS)
    finite = {name: cost for name, cost in plan.costs.items() if math.isfinite(cost)}
    assert all(cost > 0 for cost in finite.values())
    assert set(plan.reasons) == set(SOLVERS) - set(finite)
    assert plan.costs[plan.solver] == min(finite.values())
    assert 1 <= plan.block_size <= min(k + n_oversamples, *A.shape)
    assert plan.n_passes >= 1
    assert set(plan.memory) == set(SOLVERS) and plan.memory[plan.solver] <= MAX_MEMORY
    if sketch_given:
        assert plan.solver in ("krylov", "subspace")


def plan_or_refusal(A, k):
    try:
        return plan_low_rank(A, k)
    except ValueError as error:
        return str(error)


@given(problems())
def test_same_problem_same_plan(problem):
    """A plan that remembers, or draws a random number."""
    A, k = problem
    assert plan_or_refusal(A, k) == plan_or_refusal(A, k)


@given(problems(), st.sampled_from(NAMED_SOLVERS))
def test_explicit_solver_is_taken_or_refused(problem, solver):
    """Another solver than the one that was asked for, or a refusal without the way to have it."""
    A, k = problem
    if solver == "gram" and A.container == "chunks" and A.shape[1] > A.shape[0]:
        with pytest.raises(ValueError, match="solver='gram' cannot be used here: chunks"):
            plan_low_rank(A, k, solver=solver)
        return
    try:
        plan = plan_low_rank(A, k, solver=solver)
    except ValueError as error:
        assert f"solver={solver!r} cannot be used here: it needs" in str(error)
        least = int(re.search(r"Pass max_memory=(\d+)", str(error))[1])
        assert least > MAX_MEMORY
        plan = plan_low_rank(A, k, solver=solver, max_memory=least)
    assert plan.solver == solver
    assert math.isfinite(plan.costs[solver]) and solver not in plan.reasons


def cost_of(A, k, solver):
    return plan_low_rank(A, k, solver=solver, max_memory=1 << 62).costs[solver]


@given(problems())
def test_more_of_the_same_costs_more(problem):
    """A cost with the wrong sign somewhere: twice the rows, or more passes, cannot be cheaper."""
    A, k = problem
    twice = Described((2 * A.shape[0], A.shape[1]), A.dtype, A.container, 2 * A.nnz)
    # From a wide matrix to a tall one, two sweeps of Krylov iteration are no longer needed.
    turned = A.shape[0] < A.shape[1] <= 2 * A.shape[0]
    for solver in ("exact",) if turned else ("krylov", "subspace", "exact"):
        cost, more = (cost_of(X, k, solver) for X in (A, twice))
        assert more >= cost
    float32 = Described(A.shape, "f4", A.container, A.nnz)
    float64 = Described(A.shape, "f8", A.container, A.nnz)
    for solver in ("krylov", "subspace", "exact"):
        cost, more = (cost_of(X, k, solver) for X in (float32, float64))
        assert more >= cost


@pytest.mark.parametrize(
    ("A", "k", "expected"),
    [
        (Described((200_000, 100)), 10, "gram"),
        (Described((100, 200_000)), 10, "gram"),
        (Described((20_000, 15_000)), 10, "krylov"),
        (Described((1_000_000, 100_000), container="sparse", nnz=10_000_000), 20, "krylov"),
        (Described((5, 5)), 2, None),
    ],
)
def test_clear_cases(A, k, expected):
    """Costs so wrong that the choice is wrong where anyone can tell it."""
    plan = plan_low_rank(A, k)
    assert plan.solver == (expected or plan.solver)


def test_what_needs_too_much_memory_is_ruled_out():
    """A dense copy of a sparse matrix that nobody asked for."""
    A = Described((1_000_000, 100_000), container="sparse", nnz=10_000_000)
    plan = plan_low_rank(A, 20)
    assert set(plan.reasons) == {"gram", "exact"}
    assert math.isinf(plan.costs["gram"]) and math.isinf(plan.costs["exact"])
    assert "GiB beside the data" in plan.reasons["exact"]
    with pytest.raises(
        ValueError, match=r"solver='exact' .* max_memory is 2\.0 GiB\. Pass max_memory=\d+, or"
    ):
        plan_low_rank(A, 20, solver="exact")
    assert plan_low_rank(A, 20, solver="exact", max_memory=10**13).solver == "exact"
    q = math.isqrt(MAX_MEMORY // 24)
    assert "gram" not in plan_low_rank(Described((10 * q, q)), 5).reasons
    assert "gram" in plan_low_rank(Described((10 * q, q + 1)), 5).reasons


def test_refusals_say_why():
    """A solver that is taken though it cannot do what was asked for, or refused without a reason."""
    tall, wide = (as_operand(RowChunks(iter, shape)) for shape in [(90, 40), (40, 90)])
    with pytest.raises(
        ValueError, match="solver='gram' cannot .* more columns than rows .*Use solver='auto'"
    ):
        plan_low_rank(wide, 5, solver="gram")
    assert plan_low_rank(tall, 5, solver="gram").solver == "gram"
    assert "more columns than rows" in plan_low_rank(wide, 5).reasons["gram"]
    for solver in ("gram", "exact"):
        with pytest.raises(ValueError, match=f"solver='{solver}' cannot .* a sketch was given"):
            plan_low_rank(tall, 5, solver=solver, sketch_given=True)
    with pytest.raises(ValueError, match=r"solver must be 'auto' or one of \['gram', 'krylov', .*got 'svd'"):
        plan_low_rank(tall, 5, solver="svd")


@pytest.mark.parametrize("center", [False, True])
def test_containers_are_not_read(center, contained):
    """A plan that looks at numbers: these are NaN, and the passes are counted."""
    A = as_operand(contained(np.full((120, 30), np.nan)))
    if center:
        A = centered(A, np.zeros(30))
    plan = plan_low_rank(A, 4)
    assert plan.solver in SOLVERS
    assert A.n_passes == 0
    kind = "mapped" if "mapped" in contained.kind else "chunks" if "chunks" in contained.kind else "dense"
    kind = "sparse" if contained.kind in ("csr", "csc") else kind
    assert f"120 x 30 matrix ({kind} float64" in plan.description


def test_layout_does_not_matter():
    """A plan that differs between C and Fortran order, or between CSR and CSC."""
    X = np.ones((300, 200))
    S = sparse.random(300, 200, density=0.1, format="csr", random_state=0)
    assert plan_low_rank(as_operand(X), 5) == plan_low_rank(as_operand(np.asfortranarray(X)), 5)
    assert plan_low_rank(as_operand(S), 5) == plan_low_rank(as_operand(S.tocsc()), 5)


def test_blocks_are_small_in_memory_and_whole_on_disk():
    """Many small passes over a file, or columns that a sweep in memory could do without."""
    small = plan_low_rank(Described((100_000, 20_000)), 90)
    whole = plan_low_rank(Described((100_000, 20_000), container="mapped"), 90)
    assert small.block_size < 100 == whole.block_size
    assert whole.n_passes < small.n_passes


def test_print():
    """A table that does not say what was chosen, at what cost, and why not the others."""
    text = str(plan_low_rank(Described((1_000_000, 100_000), container="sparse", nnz=10_000_000), 20))
    lines = text.splitlines()
    assert lines[0] == (
        "Plan for rank 20 of a 1,000,000 x 100,000 matrix (sparse float64, 10,000,000 entries):"
    )
    assert lines[1].startswith(" * krylov") and "s on one core" in lines[1]
    assert sum(line.startswith(" * ") for line in lines) == 1
    assert all(f"{name} " in text for name in SOLVERS)
    assert text.count("no: it needs") == 2
    assert "passes over the data of 10 columns, products in float64" in lines[-1]
    assert "columns" not in str(plan_low_rank(Described((200_000, 100)), 10))
    assert "MiB beside the data" in lines[1]


_PLANS = """
import numpy as np
from sklr.linalg import as_operand, plan_low_rank
for shape in [(30, 20), (3000, 200), (200, 3000), (1500, 1500)]:
    for k in (1, 10, 20):
        print(tuple(plan_low_rank(as_operand(np.zeros(shape)), k)))
"""


def test_same_plan_in_any_environment():
    """Costs that know the cores, the threads or the free memory of this machine."""
    outputs = set()
    for variables in ({"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "7", "PYTHONHASHSEED": "5"}):
        run = subprocess.run(
            [sys.executable, "-c", _PLANS],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1 and outputs.pop().count("\n") == 12
