"""A running state in a file that is always whole, and that knows which data and parameters it belongs to."""

import hashlib
import os
import pickle
import warnings
from contextlib import suppress

import joblib
import numpy as np
from scipy import sparse

_FORMAT = "sklr checkpoint 1"
_NOT_A_CHECKPOINT = (pickle.UnpicklingError, EOFError, ImportError, ValueError, TypeError, AttributeError)
# About so many words of a chunk are hashed.
_HASHED = 10_000


class Checkpoint:
    """The state of a pass over chunks, in a file.

    Parameters
    ----------
    path : Path
        The file.
    parameters : dict
        Of the estimator; others are refused when it is read.
    shape, dtype : (int, int), dtype
        Of the data.
    """

    def __init__(self, path, parameters, shape, dtype):
        if not path.parent.is_dir():
            raise FileNotFoundError(f"The folder of the checkpoint {path} does not exist. Make it first.")
        self._path = path
        self._about = {name: _value(value) for name, value in parameters.items()}
        self._about |= {"the shape of X": tuple(shape), "the dtype of X": str(dtype)}
        self._digests = []  # of the chunks that were taken in

    def exists(self):
        """Whether there is a file to resume from."""
        return self._path.exists()

    def note(self, chunk):
        """Remember what the next chunk is."""
        self._digests.append(_digest(chunk))

    def check(self, index, chunk):
        """Raise if chunk `index` is not what was noted."""
        if self._digests[index] != _digest(chunk):
            raise ValueError(
                f"Checkpoint {self._path} belongs to other data: chunk {index} of X has changed. Restore the "
                "data, or delete the file to begin again."
            )

    def write(self, done, state):
        """Put the state after `done` chunks in place of the one before; if that fails, warn and keep that."""
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        try:
            with open(temporary, "wb") as file:
                pickle.dump((_FORMAT, self._about, self._digests, done, state), file, protocol=5)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except OSError as error:
            with suppress(OSError):
                os.remove(temporary)
            kept = "The one before stays" if self.exists() else "There is none"
            warnings.warn(
                f"Checkpoint {self._path} after {done} chunks could not be written: {error}. {kept}, and "
                "the fit goes on.",
                RuntimeWarning,
                stacklevel=2,
            )

    def read(self):
        """``(done, state)`` of the file; raise if it belongs to other parameters or data."""
        try:
            with open(self._path, "rb") as file:
                what, about, digests, done, state = pickle.load(file)
        except _NOT_A_CHECKPOINT as error:
            raise ValueError(
                f"{self._path} is not a checkpoint of sklr: {error}. Delete or rename it."
            ) from error
        if what != _FORMAT:
            raise ValueError(
                f"{self._path} is not a checkpoint of this version of sklr. Delete or rename it."
            )
        for name, here in self._about.items():
            if about.get(name) != here:
                raise ValueError(
                    f"Checkpoint {self._path} belongs to another fit: {name} is {about.get(name)} there and "
                    f"{here} here. Set it back, or delete the file to begin again."
                )
        self._digests = digests
        return done, state

    def remove(self):
        """The pass is complete."""
        with suppress(FileNotFoundError):
            os.remove(self._path)


def _value(value):
    """A parameter as text that is equal if it is equal."""
    if isinstance(value, np.generic):
        value = value.item()
    return repr(value) if isinstance(value, (str, int, float, type(None))) else f"<{joblib.hash(value)}>"


def _digest(chunk):
    """A checksum of every entry, which is quick, and a hash of a part, which also sees their order."""
    parts = [chunk]
    if sparse.issparse(chunk):
        chunk = chunk.tocsr()
        parts = [chunk.indptr, chunk.indices, chunk.data]
    digest = hashlib.blake2b(repr(chunk.shape).encode(), digest_size=16)
    for part in parts:
        data = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
        whole = data[: len(data) // 8 * 8].view(np.uint64)
        digest.update(int(whole.sum(dtype=np.uint64)).to_bytes(8, "little"))
        digest.update(data[len(whole) * 8 :].tobytes())
        digest.update(whole[:: max(len(whole) // _HASHED, 1)].tobytes())
    return digest.hexdigest()
