"""Columns of a text file of edges, read by pandas or by NumPy."""

import bz2
import csv
import gzip
import lzma
from numbers import Integral

import numpy as np

_OPEN = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}


class EdgeFile:
    """The columns `source`, `target` and `weight` (or None) of a file; see `sklr.graph.read_edges`."""

    def __init__(self, path, delimiter, comment, header, source, target, weight):
        self.path, self.delimiter, self.comment = path, delimiter, comment
        lines = self._lines()
        first, fields = next(lines, (0, []))
        if not fields or (header and next(lines, None) is None):
            raise ValueError(f"{path} has no edges: its lines are empty, comments or the header.")
        self.n_fields = len(fields)
        names = fields if header else None
        self.to_skip = first if header else 0
        self.source = self._position(0 if source is None else source, names, "source")
        self.target = self._position(1 if target is None else target, names, "target")
        self.weight = None if weight is None else self._position(weight, names, "weight")
        self.ends = sorted({self.source, self.target})
        self.needed = self.ends if weight is None else [*self.ends, self.weight]

    def read(self, apart):
        """``(sources, targets, weights)``.

        The ends are integers where both are, otherwise text; where they are `apart` each is by itself.
        """
        try:
            columns = self._read(apart)
        except (ValueError, IndexError) as error:  # pandas' ParserError is one
            self._raise_for_bad_line()
            raise ValueError(f"{self.path} cannot be read as edges: {error}") from error
        weights = columns.get(self.weight)
        ends = columns[self.source], columns[self.target]
        if any(column.dtype.kind == "U" and (column == "").any() for column in ends):
            self._raise_for_bad_line()
        if weights is not None and not (np.isfinite(weights) & (weights >= 0)).all():
            self._raise_for_bad_line()
        return *ends, weights

    def _read(self, apart):
        """``{position: array}`` of the columns that are needed: ends of int64 or text, weights of float64."""
        try:
            import pandas
        except ImportError:
            columns = self._by_numpy(apart)
        else:
            columns = self._by_pandas(pandas, apart)
        if self.weight is not None:
            columns[self.weight] = columns[self.weight].astype(np.float64)
        return columns

    def _by_pandas(self, pandas, apart):
        def read(text):
            frame = pandas.read_csv(
                self.path,
                sep=r"\s+" if self.delimiter is None else self.delimiter,
                comment=self.comment,
                header=None,
                skiprows=self.to_skip,
                dtype=dict.fromkeys(text, str),
                na_filter=False,
                low_memory=False,
            )
            self._check_width(frame)
            return frame

        frame = read(text=())
        text = {at for at in self.ends if frame[at].dtype != np.int64}
        text = self.ends if text and not apart else text
        if text:
            frame = read(text)  # as it stands there: 007 is not 7, nor NA a missing label
        return {at: _stripped(frame[at]) if at in text else frame[at].to_numpy() for at in self.needed}

    def _by_numpy(self, apart):
        with self._open() as lines:
            table = np.loadtxt(
                (text for _, text in self._without_comments(lines) if text),
                dtype=str,
                delimiter=self.delimiter,
                comments=None,
                skiprows=int(self.to_skip > 0),
                ndmin=2,
                quotechar='"',
            )
        self._check_width(table)
        columns = {at: _stripped(table[:, at]) for at in self.needed}
        whole = {at: columns[at].astype(np.int64) for at in self.ends if _are_integers(columns[at])}
        return columns | (whole if apart or len(whole) == len(self.ends) else {})

    def _check_width(self, table):
        if table.shape[1] != self.n_fields:
            raise ValueError(f"there are {self.n_fields} names, but {table.shape[1]} columns")

    def _position(self, column, names, what):
        if names is not None and isinstance(column, str):
            if column not in names:
                raise ValueError(f"{what}={column!r} is no column of {self.path}, which has {names}.")
            return names.index(column)
        if isinstance(column, bool) or not isinstance(column, Integral):
            remedy = "a position" if names is not None else "a position; names need header=True"
            raise TypeError(f"{what} must be {remedy}, got {column!r}.")
        if not 0 <= column < self.n_fields:
            raise ValueError(
                f"{what}={column} is no column: the first line of {self.path} has {self.n_fields} field(s). "
                f"Is delimiter={self.delimiter!r} right?"
            )
        return int(column)

    def _open(self):
        opened = _OPEN.get(self.path.rpartition(".")[2], open)
        return opened(self.path, "rt", encoding="utf-8", errors="replace")

    def _without_comments(self, lines):
        """Yield ``(number, text)`` of the lines; the text is empty where there is none, or blanks only."""
        blanks = " \r\n" if self.delimiter == "\t" else " \t\r\n"
        for number, line in enumerate(lines, start=1):
            yield number, line.partition(self.comment)[0].strip(blanks)

    def _lines(self):
        """Yield ``(number, fields)`` of the lines that are neither empty nor comments."""
        with self._open() as lines:
            for number, text in self._without_comments(lines):
                if not text:
                    continue
                if self.delimiter is None:
                    reader = csv.reader([text.replace("\t", " ")], delimiter=" ", skipinitialspace=True)
                else:
                    reader = csv.reader([text], delimiter=self.delimiter)
                yield number, [field.strip() for field in next(reader)]

    def _raise_for_bad_line(self):
        """Raise, naming it, for the first line that is not an edge. Slow; only once something is wrong."""
        for number, fields in self._lines():
            if number <= self.to_skip:
                continue
            where = f"{self.path}, line {number}"
            if len(fields) != self.n_fields:
                raise ValueError(
                    f"{where}: expected {self.n_fields} fields, as in the first line, got {fields}."
                )
            for at in self.ends:
                if fields[at] == "":
                    raise ValueError(f"{where}: field {at + 1} is empty, so a node has no label.")
            if self.weight is not None and not _is_weight(fields[self.weight]):
                raise ValueError(
                    f"{where}: the weight must be a finite number, not negative, got {fields[self.weight]!r}."
                )


def _stripped(column):
    return np.char.strip(np.asarray(column, dtype=str))


def _are_integers(column):
    if (np.char.find(column, "_") >= 0).any():  # int() reads over underscores, pandas does not
        return False
    try:
        column.astype(np.int64)
    except (ValueError, OverflowError):
        return False
    return True


def _is_weight(text):
    try:
        return 0 <= float(text) < np.inf
    except ValueError:
        return False
