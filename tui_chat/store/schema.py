"""The first schema. Every table is STRICT; times are milliseconds since 1970 in UTC."""

FIRST = """
CREATE TABLE migration(name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) WITHOUT ROWID, STRICT;

CREATE TABLE conversation(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  pinned INTEGER NOT NULL,
  archived INTEGER NOT NULL,
  deleted_at INTEGER,
  head_id INTEGER,                    -- the leaf on show; no reference: a stale one reads as none
  model_endpoint TEXT, model_name TEXT,
  memory_strategy TEXT, memory_max_messages INTEGER, memory_trim TEXT,
  title TEXT NOT NULL,
  title_search TEXT,                  -- the indexed form, where it is not the title itself
  system_prompt TEXT) STRICT;
-- The order of the list, without touching a row.
CREATE INDEX conversation_list ON conversation(archived, pinned DESC, updated_at DESC, id DESC)
  WHERE deleted_at IS NULL;
CREATE INDEX conversation_deleted ON conversation(deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX conversation_title ON conversation(title);

CREATE TABLE conversation_tag(
  conversation_id INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY(conversation_id, name)) WITHOUT ROWID, STRICT;

CREATE TABLE draft(
  conversation_id INTEGER PRIMARY KEY REFERENCES conversation(id) ON DELETE CASCADE,
  text TEXT NOT NULL) STRICT;

CREATE TABLE removal(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL UNIQUE,
  conversation_id INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK(kind IN ('delete', 'clear')),
  at INTEGER NOT NULL,
  head_before INTEGER) STRICT;
CREATE INDEX removal_conversation ON removal(conversation_id);

-- Small rows: a list of ten thousand messages reads these only. Ids only grow, so they are the order of arrival.
CREATE TABLE message(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL UNIQUE,
  conversation_id INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
  parent_id INTEGER REFERENCES message(id),
  role TEXT NOT NULL CHECK(role IN ('user', 'assistant', 'tool', 'system')),
  status TEXT NOT NULL CHECK(status IN ('streaming', 'complete', 'stopped', 'failed')),
  created_at INTEGER NOT NULL,
  finished_at INTEGER,
  checkpoint_at INTEGER,              -- the writer's last sign of life
  removal_id INTEGER REFERENCES removal(id),
  model_endpoint TEXT, model_name TEXT,
  input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER,
  pinned INTEGER NOT NULL,
  excluded INTEGER NOT NULL,
  -- of the text, when it was written; not kept up while it streams
  characters INTEGER NOT NULL,
  lines INTEGER NOT NULL,
  token_estimate INTEGER NOT NULL,
  letters INTEGER NOT NULL,
  other_letters INTEGER NOT NULL,
  estimator INTEGER NOT NULL,         -- the version of the estimator that made these; 0: none did
  has_thinking INTEGER NOT NULL,
  error TEXT) STRICT;
CREATE INDEX message_conversation ON message(conversation_id, id);
CREATE INDEX message_visible ON message(conversation_id) WHERE removal_id IS NULL;
CREATE INDEX message_parent ON message(parent_id);
CREATE INDEX message_removal ON message(removal_id) WHERE removal_id IS NOT NULL;
CREATE INDEX message_streaming ON message(checkpoint_at) WHERE status = 'streaming';

CREATE TABLE message_body(
  id INTEGER PRIMARY KEY REFERENCES message(id) ON DELETE CASCADE,
  indexed INTEGER NOT NULL,           -- whether it is in the search index: finished messages are
  text TEXT NOT NULL,
  search_text TEXT,                   -- the indexed form, where it is not the text itself
  parts TEXT) STRICT;                 -- a JSON array as in the export; NULL: none

CREATE TABLE value(key TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE secret(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT;

-- Search: the index holds no second copy of a text, and forgets at once what leaves it.
CREATE VIEW message_indexed AS
  SELECT id, coalesce(search_text, text) AS search_text FROM message_body WHERE indexed;
CREATE VIRTUAL TABLE message_fts USING fts5(
  search_text, content='message_indexed', content_rowid='id', tokenize='unicode61 remove_diacritics 2');
INSERT INTO message_fts(message_fts, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER body_added AFTER INSERT ON message_body WHEN new.indexed BEGIN
  INSERT INTO message_fts(rowid, search_text) VALUES (new.id, coalesce(new.search_text, new.text)); END;
-- One trigger, not two: out of the index first, then into it.
CREATE TRIGGER body_changed AFTER UPDATE ON message_body WHEN old.indexed OR new.indexed BEGIN
  INSERT INTO message_fts(message_fts, rowid, search_text)
    SELECT 'delete', old.id, coalesce(old.search_text, old.text) WHERE old.indexed;
  INSERT INTO message_fts(rowid, search_text)
    SELECT new.id, coalesce(new.search_text, new.text) WHERE new.indexed; END;
CREATE TRIGGER body_erased AFTER DELETE ON message_body WHEN old.indexed BEGIN
  INSERT INTO message_fts(message_fts, rowid, search_text)
    VALUES ('delete', old.id, coalesce(old.search_text, old.text)); END;

CREATE VIEW title_indexed AS SELECT id, coalesce(title_search, title) AS search_text FROM conversation;
CREATE VIRTUAL TABLE title_fts USING fts5(
  search_text, content='title_indexed', content_rowid='id', tokenize='unicode61 remove_diacritics 2');
INSERT INTO title_fts(title_fts, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER title_added AFTER INSERT ON conversation BEGIN
  INSERT INTO title_fts(rowid, search_text) VALUES (new.id, coalesce(new.title_search, new.title)); END;
CREATE TRIGGER title_changed AFTER UPDATE OF title, title_search ON conversation BEGIN
  INSERT INTO title_fts(title_fts, rowid, search_text)
    VALUES ('delete', old.id, coalesce(old.title_search, old.title));
  INSERT INTO title_fts(rowid, search_text) VALUES (new.id, coalesce(new.title_search, new.title)); END;
CREATE TRIGGER title_erased AFTER DELETE ON conversation BEGIN
  INSERT INTO title_fts(title_fts, rowid, search_text)
    VALUES ('delete', old.id, coalesce(old.title_search, old.title)); END;
"""
