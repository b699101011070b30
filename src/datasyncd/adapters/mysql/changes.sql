CREATE DATABASE datasyncd CHARACTER SET utf8mb4;

CREATE TABLE datasyncd.changes (
    n        bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at       timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    relation varchar(130) NOT NULL,  -- database.table
    writer   varchar(300),           -- of what a daemon writes by itself, which it knows
    key1     text, key2 text, key3 text, key4 text,  -- the key of the row
    old1     text, old2 text, old3 text, old4 text,  -- what it was before an update
    KEY changes_of (relation, n)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
