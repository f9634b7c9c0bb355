"""The ranked index of one branch, in memory only: what retrieval finds earlier messages with.

Decided:

* Full text, no embeddings: with stemming, the neighbours' words at half weight and scores smoothed
  over a sitting it finds more than a small embedding model, for a millisecond a question and no weights.
* One branch, built when it is first asked for: 10,000 messages take a second of a worker's time. What
  stays where it was is not indexed again, so a turn costs three messages.
* The library is the history's (SQLite FTS5), but this database has no file: no encryption is needed,
  temporary tables are in memory as well, and closing it leaves nothing. It keeps no texts, only the index.
* A worker's SQL is few large statements: each gives the interpreter's lock away while it runs, and
  taking it back between many small ones would wait for the event loop each time.
"""

from __future__ import annotations

from tui_chat.recall.branch_index import BranchIndex

__all__ = ["BranchIndex"]
