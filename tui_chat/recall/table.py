"""The full-text table: rows by their place on the branch, places by words. For one thread."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tui_chat.core.errors import TuiChatError

_TABLE = """
CREATE VIRTUAL TABLE passage USING fts5(
  text, near, day, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2')"""

# FTS5's bm25 is the lower the better. Weights as measured: at half weight the neighbours' words add 10
# points to the share of what is found, the day 1 to 2.
_BEST = """
SELECT json_group_array(json_array(place, score)) FROM (
  SELECT rowid AS place, -bm25(passage, 1.0, 0.5, 0.5) AS score FROM passage WHERE passage MATCH ?
  ORDER BY score DESC, place DESC LIMIT ?)"""

_COUNTS = """
SELECT json_group_array((SELECT count(*) FROM (SELECT 1 FROM passage WHERE passage MATCH wanted.value LIMIT ?1)))
FROM json_each(?2) wanted"""

Row = tuple[int, str, str, str]
"""A place, the text there, that of its neighbours, the day."""

MOST_ROWS = 500
"""Rows a statement: four values each, of the 32,766 that SQLite allows."""


class Table:
    """Raises TuiChatError where SQLite fails (out of memory, most likely)."""

    def __init__(self) -> None:
        import apsw

        with _errors():
            self._db = apsw.Connection(":memory:")
            self._db.pragma("temp_store", "MEMORY")
            self._db.execute(_TABLE)
            # Its own default merges a fifth more often than such small pieces need.
            self._db.execute("INSERT INTO passage(passage, rank) VALUES ('automerge', 8)")

    def cut(self, start: int) -> None:
        """Forget the rows from that place on."""
        with _errors():
            self._db.execute("DELETE FROM passage WHERE rowid >= ?", (start,))

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows at free places, all or none."""
        with _errors():
            values = ",".join(["(?,?,?,?)"] * len(rows))
            flat = [value for row in rows for value in row]
            self._db.execute(f"INSERT INTO passage(rowid, text, near, day) VALUES {values}", flat)

    def best(self, expression: str, limit: int) -> dict[int, float]:
        """Scores by places, best first, ties newer first."""
        with _errors():
            ((found,),) = self._db.execute(_BEST, (expression, limit)).fetchall()
        return dict(json.loads(str(found)))

    def counts(self, expressions: Sequence[str], most: int) -> list[int]:
        """In how many rows each is found, counted up to ``most``."""
        with _errors():
            ((counted,),) = self._db.execute(_COUNTS, (most, json.dumps(expressions))).fetchall()
        return list(json.loads(str(counted)))

    def close(self) -> None:
        self._db.close()


@contextmanager
def _errors() -> Iterator[None]:
    import apsw

    try:
        yield
    except apsw.Error as error:
        failure = TuiChatError(
            f"The index of this conversation failed ({type(error).__name__}).", hint="It is built anew next time."
        )
        # Without its traceback: apsw's hold statements and their values.
        raise failure from error.with_traceback(None)
