CREATE SCHEMA datasyncd;

CREATE TABLE datasyncd.changes (
    n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at       timestamptz NOT NULL DEFAULT now(),
    relation oid NOT NULL,
    key      text[]  -- NULL: anything may have changed
);
CREATE INDEX changes_of ON datasyncd.changes (relation, xid, n);

CREATE FUNCTION datasyncd.note_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' AS $$
DECLARE
    keys text := (SELECT string_agg(format('r.%I::text', name), ', ') FROM unnest(TG_ARGV) AS name);
    noted bigint := 0;
    more bigint := 0;
BEGIN
    -- What the daemon writes by itself it knows; what triggers make of it is noted all the same.
    IF pg_trigger_depth() = 1 AND current_setting('datasyncd.writes', true) = 'datasyncd.changes' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO datasyncd.changes (relation) VALUES (TG_RELID);
        noted := 1;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        EXECUTE format('INSERT INTO datasyncd.changes (relation, key) SELECT $1, ARRAY[%s] FROM new_rows AS r', keys)
            USING TG_RELID;
        GET DIAGNOSTICS noted = ROW_COUNT;
    END IF;
    IF TG_OP = 'DELETE' THEN
        EXECUTE format('INSERT INTO datasyncd.changes (relation, key) SELECT $1, ARRAY[%s] FROM old_rows AS r', keys)
            USING TG_RELID;
        GET DIAGNOSTICS noted = ROW_COUNT;
    ELSIF TG_OP = 'UPDATE' THEN
        EXECUTE format('INSERT INTO datasyncd.changes (relation, key) SELECT $1, k FROM '
                       '(SELECT ARRAY[%1$s] FROM old_rows AS r EXCEPT SELECT ARRAY[%1$s] FROM new_rows AS r) AS gone (k)',
                       keys) USING TG_RELID;
        GET DIAGNOSTICS more = ROW_COUNT;
    END IF;
    IF noted + more > 0 THEN
        PERFORM pg_notify('datasyncd.changes', TG_RELID::text);
    END IF;
    RETURN NULL;
END $$;
