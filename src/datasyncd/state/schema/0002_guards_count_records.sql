DROP TABLE guard_count;

CREATE TABLE guard_seen (       -- what was sent, lost or blanked within the rolling hour: each record counts once
    system     TEXT NOT NULL,
    entity     TEXT NOT NULL,
    class      INTEGER NOT NULL,
    source     INTEGER NOT NULL,  -- as in guard
    cluster_id INTEGER NOT NULL,
    field      INTEGER NOT NULL,  -- of what was blanked; -1: the whole record
    minute     INTEGER NOT NULL,  -- of the last time
    PRIMARY KEY (system, entity, class, source, cluster_id, field)
) WITHOUT ROWID;
CREATE INDEX guard_seen_minute ON guard_seen (system, entity, class, source, minute);
