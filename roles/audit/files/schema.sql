-- Copyright: (c) 2026, mlops.tracking maintainers
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
-- The audit database, applied by a superuser in one transaction; a second time it changes nothing.
-- Rows are only ever added, and only by audit.ingest. Whole months go by audit.drop_expired, which says so in a row.

SET LOCAL audit.maintenance = 'on';
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA IF NOT EXISTS audit AUTHORIZATION audit_owner;

-- A month of rows is a partition. Its column is the time of storing, which only grows: so a partition is an unbroken
-- part of the chain, and a request that was stored late still finds one.
CREATE TABLE IF NOT EXISTS audit.event (
    seq bigint NOT NULL,
    stored_at timestamptz NOT NULL,
    hash bytea NOT NULL,
    source text NOT NULL,
    shipper text NOT NULL,
    kind text NOT NULL,
    time timestamptz NOT NULL,
    request_id text,
    connection bigint,
    connection_requests bigint,
    remote_addr text,
    user_name text,
    auth text,
    groups text,
    outcome text,
    operation text,
    experiment_id text,
    run_id text,
    model text,
    version text,
    alias text,
    method text,
    host text,
    uri text,
    protocol text,
    status integer,
    request_bytes bigint,
    response_bytes bigint,
    duration numeric(12, 3),
    upstream text,
    upstream_status text,
    upstream_time text,
    user_agent text,
    detail text,
    PRIMARY KEY (seq, stored_at)
) PARTITION BY RANGE (stored_at);
CREATE INDEX IF NOT EXISTS event_time ON audit.event (time);
CREATE INDEX IF NOT EXISTS event_user ON audit.event (user_name, time);
CREATE INDEX IF NOT EXISTS event_run ON audit.event (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_model ON audit.event (model, time) WHERE model IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_request ON audit.event (request_id) WHERE request_id IS NOT NULL;

DO $$
BEGIN
    IF coalesce((SELECT pg_get_constraintdef(oid) FROM pg_constraint
                 WHERE conrelid = 'audit.event'::regclass AND conname = 'event_kind_check'), '') NOT LIKE '%''event''%' THEN
        ALTER TABLE audit.event DROP CONSTRAINT IF EXISTS event_kind_check;
        ALTER TABLE audit.event ADD CONSTRAINT event_kind_check
            CHECK (kind IN ('request', 'event', 'unparsable', 'gap', 'retention'));
    END IF;
END $$;

-- The end of the chain. Whoever adds rows holds this one row until they are there.
CREATE TABLE IF NOT EXISTS audit.head (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    stored_at timestamptz NOT NULL
);
INSERT INTO audit.head (seq, hash, stored_at) VALUES (0, sha256('mlops.tracking audit'), '-infinity')
ON CONFLICT DO NOTHING;

-- How far each source has been read; written with the rows, so that none is missing and none is there twice.
CREATE TABLE IF NOT EXISTS audit.position (
    source text PRIMARY KEY,
    file text NOT NULL,
    inode bigint NOT NULL,
    "offset" bigint NOT NULL,
    generation bigint NOT NULL,
    "time" double precision NOT NULL,
    stored_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS audit.setting (name text PRIMARY KEY, value text NOT NULL);

CREATE OR REPLACE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'rows of the audit are never changed or removed' USING ERRCODE = 'insufficient_privilege';
END $$;

-- Adds rows to the chain. Times are hashed as seconds since the epoch, which no setting of a session changes.
CREATE OR REPLACE FUNCTION audit.append(p_source text, p_rows jsonb, OUT seq bigint, OUT hash bytea)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
    v_now timestamptz;
    v_shipper text := coalesce(host(inet_client_addr()), 'local');
BEGIN
    SELECT h.seq, h.hash, greatest(clock_timestamp(), h.stored_at) INTO seq, hash, v_now FROM audit.head h FOR UPDATE;
    FOR r IN SELECT * FROM ROWS FROM (jsonb_to_recordset(p_rows) AS (
        kind text, time timestamptz, request_id text, connection bigint, connection_requests bigint, remote_addr text,
        user_name text, auth text, groups text, outcome text, operation text, experiment_id text, run_id text,
        model text, version text, alias text, method text, host text, uri text, protocol text, status integer,
        request_bytes bigint, response_bytes bigint, duration numeric(12, 3), upstream text, upstream_status text,
        upstream_time text, user_agent text, detail text)) WITH ORDINALITY ORDER BY ordinality
    LOOP
        seq := seq + 1;
        r.time := coalesce(r.time, v_now);
        hash := sha256(hash || convert_to(to_jsonb(ARRAY[
            seq::text, extract(epoch FROM v_now)::text, p_source, v_shipper, r.kind, extract(epoch FROM r.time)::text,
            r.request_id, r.connection::text, r.connection_requests::text, r.remote_addr, r.user_name, r.auth,
            r.groups, r.outcome, r.operation, r.experiment_id, r.run_id, r.model, r.version, r.alias, r.method,
            r.host, r.uri, r.protocol, r.status::text, r.request_bytes::text, r.response_bytes::text,
            r.duration::text, r.upstream, r.upstream_status, r.upstream_time, r.user_agent, r.detail])::text, 'UTF8'));
        INSERT INTO audit.event VALUES (
            seq, v_now, hash, p_source, v_shipper, r.kind, r.time, r.request_id, r.connection, r.connection_requests,
            r.remote_addr, r.user_name, r.auth, r.groups, r.outcome, r.operation, r.experiment_id, r.run_id, r.model,
            r.version, r.alias, r.method, r.host, r.uri, r.protocol, r.status, r.request_bytes, r.response_bytes,
            r.duration, r.upstream, r.upstream_status, r.upstream_time, r.user_agent, r.detail);
    END LOOP;
    UPDATE audit.head h SET seq = append.seq, hash = append.hash, stored_at = v_now;
END $$;

-- What a shipper may do: bring rows together with the position after them, if it knows the position before them.
CREATE OR REPLACE FUNCTION audit.ingest(
    p_source text, p_before jsonb, p_after jsonb, p_rows jsonb, OUT seq bigint, OUT hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_before jsonb;
    v_hash bytea;
BEGIN
    -- The end of the chain is locked before the position, always in this order.
    PERFORM 1 FROM audit.head FOR UPDATE;
    SELECT jsonb_build_object('file', p.file, 'offset', p."offset", 'generation', p.generation)
    INTO v_before FROM audit.position p WHERE p.source = p_source FOR UPDATE;
    IF coalesce(v_before, 'null') IS DISTINCT FROM coalesce(p_before - 'inode' - 'time', 'null') THEN
        RAISE EXCEPTION 'the position of % is not the one that these rows follow', p_source
        USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF EXISTS (SELECT FROM jsonb_array_elements(p_rows) AS item (value)
               WHERE coalesce(item.value ->> 'kind', '') NOT IN ('request', 'event', 'unparsable', 'gap')) THEN
        RAISE EXCEPTION 'a shipper brings no rows of this kind' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT a.seq, a.hash INTO seq, v_hash FROM audit.append(p_source, p_rows) AS a;
    hash := encode(v_hash, 'hex');
    INSERT INTO audit.position VALUES (
        p_source, p_after ->> 'file', (p_after ->> 'inode')::bigint, (p_after ->> 'offset')::bigint,
        (p_after ->> 'generation')::bigint, (p_after ->> 'time')::double precision, clock_timestamp())
    ON CONFLICT (source) DO UPDATE SET file = excluded.file, inode = excluded.inode, "offset" = excluded."offset",
        generation = excluded.generation, "time" = excluded."time", stored_at = excluded.stored_at;
END $$;

CREATE OR REPLACE FUNCTION audit.position_of(
    p_source text, OUT file text, OUT inode bigint, OUT "offset" bigint, OUT generation bigint,
    OUT "time" double precision)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.file, p.inode, p."offset", p.generation, p."time" FROM audit.position p WHERE p.source = p_source
$$;

-- Makes the partitions of this month and of months to come.
CREATE OR REPLACE FUNCTION audit.make_partitions(p_months integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_from timestamp;
    v_name text;
    v_made integer := 0;
BEGIN
    FOR i IN 0..p_months LOOP
        v_from := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => i);
        v_name := 'event_' || to_char(v_from, 'YYYYMM');
        CONTINUE WHEN to_regclass('audit.' || v_name) IS NOT NULL;
        EXECUTE format('CREATE TABLE audit.%I PARTITION OF audit.event FOR VALUES FROM (%L) TO (%L)', v_name,
            v_from AT TIME ZONE 'UTC', (v_from + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse()', v_name);
        EXECUTE format('ALTER TABLE audit.%I ENABLE ALWAYS TRIGGER refuse_truncate', v_name);
        v_made := v_made + 1;
    END LOOP;
    RETURN v_made;
END $$;

-- Drops the months that are older than the setting says; the row that says so remembers where the chain goes on.
CREATE OR REPLACE FUNCTION audit.drop_expired() RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_months integer := (SELECT value::integer FROM audit.setting WHERE name = 'retention_months');
    v_oldest text;
    v_partition text;
    v_dropped jsonb;
    v_count integer := 0;
BEGIN
    IF coalesce(v_months, 0) < 1 THEN
        RETURN 0;
    END IF;
    v_oldest := 'event_' || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => v_months), 'YYYYMM');
    FOR v_partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit.event'::regclass AND c.relname < v_oldest ORDER BY c.relname
    LOOP
        EXECUTE format('SELECT jsonb_build_object(''partition'', %L, ''rows'', count(*), ''first'', min(seq), '
            '''last'', max(seq), ''hash'', (SELECT encode(hash, ''hex'') FROM audit.%I ORDER BY seq DESC LIMIT 1)) '
            'FROM audit.%I', v_partition, v_partition, v_partition) INTO v_dropped;
        PERFORM audit.append('database', jsonb_build_array(jsonb_build_object(
            'kind', 'retention', 'operation', 'retention', 'detail', v_dropped::text)));
        EXECUTE format('DROP TABLE audit.%I', v_partition);
        v_count := v_count + 1;
    END LOOP;
    RETURN v_count;
END $$;

-- The daily work, which a shipper asks for but cannot change.
CREATE OR REPLACE FUNCTION audit.maintain(OUT made integer, OUT dropped integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('audit.maintenance', 'on', true);
    made := audit.make_partitions(3);
    dropped := audit.drop_expired();
    PERFORM set_config('audit.maintenance', 'off', true);
END $$;

-- Nothing in this database is defined, altered or dropped, but on purpose.
CREATE OR REPLACE FUNCTION audit.guard_definitions() RETURNS event_trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(current_setting('audit.maintenance', true), '') <> 'on'
       AND EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c WHERE c.schema_name IS DISTINCT FROM 'pg_temp') THEN
        RAISE EXCEPTION '% in the audit database needs the setting audit.maintenance', tg_tag
        USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;
CREATE OR REPLACE FUNCTION audit.guard_drops() RETURNS event_trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(current_setting('audit.maintenance', true), '') <> 'on'
       AND EXISTS (SELECT FROM pg_event_trigger_dropped_objects() AS o WHERE NOT o.is_temporary) THEN
        RAISE EXCEPTION '% in the audit database needs the setting audit.maintenance', tg_tag
        USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- Also for sessions that call themselves replicas, which ordinary triggers let pass.
DO $$
DECLARE
    v_name text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'audit.event'::regclass AND tgname = 'refuse_change') THEN
        CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON audit.event
            FOR EACH ROW EXECUTE FUNCTION audit.refuse();
        CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit.event
            FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
    END IF;
    ALTER TABLE audit.event ENABLE ALWAYS TRIGGER refuse_change, ENABLE ALWAYS TRIGGER refuse_truncate;
    IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'audit_definitions') THEN
        CREATE EVENT TRIGGER audit_definitions ON ddl_command_end EXECUTE FUNCTION audit.guard_definitions();
        CREATE EVENT TRIGGER audit_drops ON sql_drop EXECUTE FUNCTION audit.guard_drops();
    END IF;
    ALTER EVENT TRIGGER audit_definitions ENABLE ALWAYS;
    ALTER EVENT TRIGGER audit_drops ENABLE ALWAYS;

    FOREACH v_name IN ARRAY ARRAY['event', 'head', 'position', 'setting'] LOOP
        EXECUTE format('ALTER TABLE audit.%I OWNER TO audit_owner', v_name);
    END LOOP;
    FOREACH v_name IN ARRAY ARRAY[
        'refuse()', 'append(text, jsonb)', 'ingest(text, jsonb, jsonb, jsonb)', 'position_of(text)',
        'make_partitions(integer)', 'drop_expired()', 'maintain()']
    LOOP
        EXECUTE format('ALTER FUNCTION audit.%s OWNER TO audit_owner', v_name);
    END LOOP;

    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO audit_shipper, audit_auditor', current_database());
    REVOKE ALL ON SCHEMA audit, public FROM PUBLIC;
    GRANT USAGE ON SCHEMA audit TO audit_shipper, audit_auditor;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA audit FROM PUBLIC, audit_shipper, audit_auditor;
    GRANT EXECUTE ON FUNCTION audit.ingest(text, jsonb, jsonb, jsonb), audit.position_of(text), audit.maintain()
        TO audit_shipper;
    GRANT SELECT ON audit.event, audit.head, audit.position, audit.setting TO audit_auditor;
END $$;

-- As their owner, who is nobody's log-in.
SELECT FROM audit.maintain();
