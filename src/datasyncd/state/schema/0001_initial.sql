-- What is remembered. Times are microseconds since 1970 of the daemon's own clock; ids, revisions, epochs and
-- generations all come from one sequence that never restarts. Documents (`body`) are msgpack behind a codec byte.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE field (            -- numbers are never reused
    entity TEXT NOT NULL,
    name   TEXT NOT NULL,
    number INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (entity, name)
) WITHOUT ROWID;

CREATE TABLE run (              -- each start of the daemon or of a command that writes
    id            INTEGER PRIMARY KEY,
    started_at    INTEGER NOT NULL,
    command       TEXT NOT NULL,
    config_digest BLOB NOT NULL
);

CREATE TABLE cluster (
    id        INTEGER PRIMARY KEY,
    entity    TEXT NOT NULL,
    revision  INTEGER NOT NULL,
    state     TEXT NOT NULL,
    no_create INTEGER NOT NULL DEFAULT 0,
    keys      BLOB NOT NULL,    -- its match keys: (index in identify, digest)
    body      BLOB NOT NULL
);

CREATE TABLE match_key (        -- keyed digest of entity, kind and canonical key
    digest     BLOB NOT NULL,
    cluster_id INTEGER NOT NULL,
    PRIMARY KEY (digest, cluster_id)
) WITHOUT ROWID;

CREATE TABLE binding (
    id           INTEGER NOT NULL,
    cluster_id   INTEGER NOT NULL,
    system       TEXT NOT NULL,
    object       TEXT NOT NULL,
    ext_id       TEXT NOT NULL,
    life         INTEGER NOT NULL DEFAULT 0,   -- 0 while the record lives; its own id afterwards
    state        TEXT NOT NULL,
    incarnation  INTEGER NOT NULL,
    digest       BLOB NOT NULL,
    mapping      BLOB NOT NULL,
    version      BLOB,
    last_read_at INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    body         BLOB NOT NULL,
    PRIMARY KEY (cluster_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX binding_record ON binding (system, object, ext_id, life);

CREATE TABLE bound (            -- how many records live, kept with the bindings: guards and pulls ask for it
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (system, object)
) WITHOUT ROWID;

CREATE TABLE suspect (          -- records that a complete pull or a reading by key missed
    binding_id       INTEGER PRIMARY KEY,
    first_missing_at INTEGER NOT NULL
);

CREATE TABLE attempt (          -- writes that are under way, or whose effect nobody knows
    id           INTEGER NOT NULL,
    cluster_id   INTEGER NOT NULL,
    system       TEXT NOT NULL,
    op           TEXT NOT NULL,
    binding_id   INTEGER,
    ext_id       TEXT,
    base_version BLOB,
    idem_key     TEXT NOT NULL,
    gave_up_at   INTEGER NOT NULL,
    status       TEXT NOT NULL,
    body         BLOB NOT NULL,
    PRIMARY KEY (cluster_id, id)
) WITHOUT ROWID;

CREATE TABLE outbox (
    cluster_id INTEGER NOT NULL,
    system     TEXT NOT NULL,
    entity     TEXT NOT NULL,
    lane       INTEGER NOT NULL,               -- 0 opt-outs, 1 the rest
    classes    INTEGER NOT NULL,               -- what guards count
    due_at     INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    PRIMARY KEY (cluster_id, system)
) WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (system, entity, lane, due_at);

CREATE TABLE dirty (            -- hints: this record may have changed
    system     TEXT NOT NULL,
    object     TEXT NOT NULL,
    ext_id     TEXT NOT NULL,
    generation INTEGER NOT NULL,
    lane       INTEGER NOT NULL,
    hinted_at  INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    PRIMARY KEY (system, object, ext_id)
) WITHOUT ROWID;

CREATE TABLE cursor (
    system                TEXT NOT NULL,
    object                TEXT NOT NULL,
    position              TEXT,
    last_complete_pull_at INTEGER NOT NULL DEFAULT 0,
    last_success_at       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (system, object)
) WITHOUT ROWID;

CREATE TABLE quarantine (
    system     TEXT NOT NULL,
    object     TEXT NOT NULL,
    ext_id     TEXT NOT NULL,
    field      INTEGER NOT NULL,               -- -1: the whole record
    kind       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    raw        BLOB,
    keys       BLOB,
    cluster_id INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    PRIMARY KEY (system, object, ext_id, field)
) WITHOUT ROWID;

CREATE TABLE quarantine_key (   -- match keys of quarantined records, so that none is made beside them
    digest BLOB NOT NULL,
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    ext_id TEXT NOT NULL,
    PRIMARY KEY (digest, system, object, ext_id)
) WITHOUT ROWID;

CREATE TABLE report (
    digest     BLOB PRIMARY KEY,
    kind       TEXT NOT NULL,
    cluster_id INTEGER NOT NULL,
    field      INTEGER,
    system     TEXT,
    state      TEXT NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    body       BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX report_cluster ON report (cluster_id);
CREATE INDEX report_state ON report (state, kind);

CREATE TABLE journal (          -- append-only: what happened, and because of what
    id         INTEGER PRIMARY KEY,
    cluster_id INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    system     TEXT,
    binding_id INTEGER NOT NULL,
    cause      TEXT NOT NULL,
    run        INTEGER NOT NULL,
    body       BLOB NOT NULL
);
CREATE INDEX journal_cluster ON journal (cluster_id);

CREATE TABLE act (              -- evidence of consents; append-only
    cluster_id   INTEGER NOT NULL,
    field        INTEGER NOT NULL,
    binding_id   INTEGER NOT NULL,
    incarnation  INTEGER NOT NULL,
    n            INTEGER NOT NULL,
    state        TEXT,
    system       TEXT,
    who          TEXT NOT NULL,
    text_version TEXT,
    edited_at    INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (cluster_id, field, binding_id, incarnation, n)
) WITHOUT ROWID;

CREATE TABLE guard (
    id       INTEGER PRIMARY KEY,
    system   TEXT NOT NULL,     -- of the link whose limit was passed
    entity   TEXT NOT NULL,
    class    INTEGER NOT NULL,
    source   INTEGER NOT NULL,  -- 1: the system seems to have lost or blanked them; 0: it would be written
    bound    INTEGER NOT NULL,  -- records bound there when it was held
    since    INTEGER NOT NULL,
    state    TEXT NOT NULL      -- held, approved, over
);
CREATE INDEX guard_state ON guard (state);

CREATE TABLE guard_item (
    guard_id   INTEGER NOT NULL,
    cluster_id INTEGER NOT NULL,
    class      INTEGER NOT NULL,
    field      INTEGER NOT NULL,               -- -1: the whole record
    contexts   BLOB NOT NULL,
    PRIMARY KEY (guard_id, cluster_id, class, field, contexts)
) WITHOUT ROWID;
CREATE INDEX guard_item_cluster ON guard_item (cluster_id);

CREATE TABLE guard_count (      -- what was sent, lost or blanked, by minute, for the rolling hour
    system TEXT NOT NULL,
    entity TEXT NOT NULL,
    class  INTEGER NOT NULL,
    source INTEGER NOT NULL,
    minute INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (system, entity, class, source, minute)
) WITHOUT ROWID;

CREATE TABLE nomatch (          -- records that a person told apart
    binding_a INTEGER NOT NULL,
    binding_b INTEGER NOT NULL,
    PRIMARY KEY (binding_a, binding_b)
) WITHOUT ROWID;
