"""A sweep in one SQLite file: every finished batch is durable, and nothing is lost or done twice.

The work is a list of batches, each a pure function of the sweep's definition, so that a batch computed twice gives
the same rows and the first commit wins. A claim only says that somebody has begun: it steers processes apart and
promises nothing. A process that was killed leaves a claim behind, and others take the batch over when nothing
unclaimed is left. All rows of a batch are committed in one transaction (write-ahead log, synchronous = FULL), with a
checksum of them and of the cells that they are about: a bit that flips on the disk is seen before it is drawn.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from experiments.unbalanced.columns import COLUMNS
from experiments.unbalanced.grid import Cell
from theory.errors import InputError
from verify.files import check_output
from verify.results import versions

SCHEMA = "nce-map"
VERSION = 3
_PROGRAM = versions()["nce-verifier"]
_TIMEOUT_SECONDS = 120.0
_TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE batch (
    id INTEGER PRIMARY KEY, round INTEGER NOT NULL, cells TEXT NOT NULL,
    owner TEXT, claimed REAL, done INTEGER NOT NULL DEFAULT 0, seconds REAL, checksum TEXT NOT NULL
);
CREATE TABLE cell (
    level INTEGER NOT NULL, centre TEXT NOT NULL, k NOT NULL,
    {", ".join(f"{name} {'REAL' if kind is float else 'INTEGER'}" for name, kind in COLUMNS.items())},
    batch INTEGER NOT NULL REFERENCES batch (id),
    PRIMARY KEY (level, centre, k)
) WITHOUT ROWID;
CREATE INDEX cell_batch ON cell (batch);
"""


class Batch(NamedTuple):
    """Cells of the grid that are solved together."""

    id: int
    cells: tuple[Cell, ...]


class Row(NamedTuple):
    """One cell of the grid at one `k`; `values` in the order of `COLUMNS`."""

    cell: Cell
    k: int | float
    values: tuple[float | None, ...]


class Store:
    """The file of a sweep, opened by one process; any number of processes may open it.

    Without a definition it is only read, and may lie where nothing can be written. A context manager, which says in one
    line what becomes of the file meanwhile.

    Raises:
        InputError: if the file holds something else, or a sweep of another definition, or one by another version of
            this program, whose rows must not mix; if it does not exist and no definition is given; and at any later
            time, if it turns out to be damaged, or cannot be read or written any more.
    """

    def __init__(self, path: Path, definition: dict[str, Any] | None = None) -> None:
        if path.exists() and not path.is_file():
            raise InputError("store", path, "accepted: a file")
        if definition is None and not path.exists():
            raise InputError("store", path, "there is no such file")
        if definition is not None:
            check_output("store", path, folders=True)
            # SQLite has files of longer names beside its own, and follows links
            check_output("store", Path(f"{os.path.realpath(path)}-journal"), folders=True)
            path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        try:
            if definition is None:
                self._db = _open_to_read(path)
            else:
                self._db = sqlite3.connect(path, timeout=_TIMEOUT_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise InputError("store", path, f"accepted: the store of a map ({error})") from None
        try:
            if definition is not None:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._create(definition)
            self.definition = self._checked(definition)
        except sqlite3.Error as error:
            self._db.close()
            raise InputError("store", path, f"accepted: the store of a map ({error})") from None
        except InputError:
            self._db.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with suppress(sqlite3.Error):
            self._db.close()
        if isinstance(error, sqlite3.Error):
            raise InputError("store", self.path, f"it cannot be used any more ({error})") from None

    def _create(self, definition: dict[str, Any]) -> None:
        with self._transaction():
            if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                entries = {"schema": SCHEMA, "version": str(VERSION), "program": _PROGRAM}
                entries["definition"] = json.dumps(definition)
                entries["checksum"] = _checksum(entries["definition"])
                self._db.executemany("INSERT INTO meta VALUES (?, ?)", entries.items())

    def _checked(self, definition: dict[str, Any] | None) -> dict[str, Any]:
        meta = dict(self._db.execute("SELECT key, value FROM meta"))
        if meta.get("schema") != SCHEMA:
            raise InputError("store", self.path, "accepted: the store of a map")
        if meta.get("version") != str(VERSION):
            raise InputError("store", self.path, f"it has version {meta.get('version')}, this program has {VERSION}")
        if definition is not None and meta.get("program") != _PROGRAM:
            raise InputError("store", self.path, f"nce-verifier {meta.get('program')} made it, and this is {_PROGRAM}")
        if meta.get("checksum") != _checksum(meta.get("definition")):
            raise InputError("store", self.path, "what it says of the map is damaged")
        found: dict[str, Any] = json.loads(meta["definition"])
        if definition is not None and found != json.loads(json.dumps(definition)):
            other = [f"{key} = {found.get(key)}" for key in definition if found.get(key) != definition[key]]
            raise InputError("store", self.path, f"it holds another sweep, with {', '.join(other)}")
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def rounds(self) -> int:
        """How many rounds have been planned."""
        return int(self._db.execute("SELECT coalesce(max(round) + 1, 0) FROM batch").fetchone()[0])

    def plan(self, number: int, cells: Sequence[Cell], size: int) -> None:
        """Plan round `number`, in batches of `size` cells, unless another process has."""
        with self._transaction():
            if self.rounds() > number:
                return
            for i in range(0, len(cells), size):
                text = json.dumps([[cell.level, *cell.centre] for cell in cells[i : i + size]])
                values = (number, text, _checksum(number, text))
                self._db.execute("INSERT INTO batch (round, cells, checksum) VALUES (?, ?, ?)", values)

    def unfinished(self) -> int:
        """How many planned batches are not done."""
        return int(self._db.execute("SELECT count(*) FROM batch WHERE NOT done").fetchone()[0])

    def claim(self, owner: str) -> Batch | None:
        """A batch to work on: unclaimed if there is one, else the one that somebody else claimed longest ago.

        None if all that is left was claimed by this owner.
        """
        with self._transaction():
            found = self._db.execute(
                "SELECT id, cells, round, checksum FROM batch WHERE NOT done AND owner IS NOT ?"
                " ORDER BY owner IS NOT NULL, claimed, id LIMIT 1",
                (owner,),
            ).fetchone()
            if found is None:
                return None
            if found[3] != _checksum(found[2], found[1]):
                raise self._damaged(found[0])
            self._db.execute("UPDATE batch SET owner = ?, claimed = ? WHERE id = ?", (owner, time.time(), found[0]))
        return Batch(found[0], tuple(Cell(level, tuple(centre)) for level, *centre in json.loads(found[1])))

    def finish(self, batch: int, rows: Sequence[Row], seconds: float) -> bool:
        """Commit the rows of a batch; False if somebody else has before."""
        with self._transaction():
            if self._db.execute("SELECT done FROM batch WHERE id = ?", (batch,)).fetchone()[0]:
                return False
            marks = ", ".join("?" * (len(COLUMNS) + 4))
            self._db.executemany(f"INSERT INTO cell VALUES ({marks})", (_as_row(row, batch) for row in rows))
            self._db.execute("UPDATE batch SET done = 1, seconds = ? WHERE id = ?", (seconds, batch))
            # of the rows as the file gives them back, so that it does not matter which number is stored as which type
            ((_, checksum),) = self._checksums(batch)
            self._db.execute("UPDATE batch SET checksum = ? WHERE id = ?", (checksum, batch))
        return True

    def _checksums(self, batch: int | None = None) -> Iterator[tuple[int, str]]:
        """The number of each finished batch, or of this one, with the checksum that its rows have now."""
        which, of = ("id = ?", (batch,)) if batch is not None else ("done", ())
        for number, *head in self._db.execute(f"SELECT id, round, cells, seconds FROM batch WHERE {which}", of):
            rows = self._db.execute("SELECT * FROM cell WHERE batch = ? ORDER BY level, centre, k", (number,))
            yield number, _checksum(*head, *rows)

    def _damaged(self, batch: int) -> InputError:
        return InputError("store", self.path, f"batch {batch} is damaged: its checksum is another")

    def rows(self) -> Iterator[Row]:
        """All finished rows; those of one cell together, their `k` rising.

        Raises:
            InputError: if one of them is damaged.
        """
        stored = dict(self._db.execute("SELECT id, checksum FROM batch WHERE done"))
        for batch, checksum in self._checksums():
            if stored.get(batch) != checksum:
                raise self._damaged(batch)
        query = f"SELECT level, centre, k, {', '.join(COLUMNS)} FROM cell ORDER BY level, centre, k = 'inf', k"
        for level, centre, k, *values in self._db.execute(query):
            where = Cell(level, tuple(int(c) for c in centre.split(",")))
            yield Row(where, float("inf") if k == "inf" else k, tuple(values))

    def seconds(self) -> float:
        """The seconds that all finished batches took, each on its worker."""
        return float(self._db.execute("SELECT coalesce(sum(seconds), 0) FROM batch").fetchone()[0])


def _checksum(*values: object) -> str:
    return hashlib.sha256(repr(values).encode("utf-8", "surrogateescape")).hexdigest()


def _open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing. SQLite needs a file beside a store that others may write; where none can be
    made, nobody writes."""
    options = ["mode=ro"]
    journal = path.with_name(path.name + "-wal")
    if not journal.exists() or journal.stat().st_size == 0:
        options.append("immutable=1")
    for option in options:
        uri = f"{path.absolute().as_uri()}?{option}"
        db = sqlite3.connect(uri, timeout=_TIMEOUT_SECONDS, isolation_level=None, uri=True)
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            db.close()
            if option == options[-1]:
                raise
            continue
        break
    return db


def _as_row(row: Row, batch: int) -> tuple[object, ...]:
    k = "inf" if row.k == float("inf") else row.k
    return (row.cell.level, ",".join(map(str, row.cell.centre)), k, *row.values, batch)
