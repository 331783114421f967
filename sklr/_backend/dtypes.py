"""Which dtype a matrix is computed in."""

import numpy as np

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def compute_dtype(dtype, name="X"):
    """The dtype in which data of `dtype` are computed.

    float32 stays, float16 becomes float32; float64, wider floats, integers and booleans become float64.

    Raises
    ------
    ValueError
        For complex data.
    TypeError
        For data that are not numbers.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: {name} has dtype {dtype}. "
            "Pass its real and imaginary parts, or its modulus."
        )
    if dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers, got dtype {dtype}. Encode or convert it to float first.")
    if dtype.kind == "f" and dtype.itemsize <= 4:
        return np.dtype(np.float32)
    return np.dtype(np.float64)


def is_float(dtype):
    """Whether data of `dtype` are used as they are (native float32 or float64)."""
    return np.dtype(dtype) in _FLOATS and np.dtype(dtype).isnative
