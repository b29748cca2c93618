-- The ledger's own tables. The clinic leads every key. Views are laid by projections/, each by its file.
-- Who may do what: noteledger_app, the running program's role, gets exactly the grants below.

CREATE SCHEMA IF NOT EXISTS ledger;
CREATE SCHEMA IF NOT EXISTS views;
GRANT USAGE ON SCHEMA ledger, views TO noteledger_app;

CREATE TABLE IF NOT EXISTS ledger.schema_version (
    version integer PRIMARY KEY
);
GRANT SELECT ON ledger.schema_version TO noteledger_app;

-- One row a clinic: the lock, the counter, and the answer to "is there news" of its ledger.
-- Whoever can change it can stop the ledger; a set-back position fails at the next append's key.
CREATE TABLE IF NOT EXISTS ledger.ledger_head (
    clinic_id bigint PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
GRANT SELECT, UPDATE ON ledger.ledger_head TO noteledger_app;

-- The facts. The running program may only add to them.
CREATE TABLE IF NOT EXISTS ledger.entries (
    clinic_id bigint NOT NULL,
    position bigint NOT NULL,
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (clinic_id, position),
    CONSTRAINT entries_version UNIQUE (clinic_id, aggregate_id, version)
);
-- Sealed bytes do not compress: do not try.
ALTER TABLE ledger.entries ALTER COLUMN state SET STORAGE EXTERNAL;
GRANT SELECT, INSERT ON ledger.entries TO noteledger_app;

-- Sealed files, named by the digest that the fact holds.
CREATE TABLE IF NOT EXISTS ledger.attachments (
    clinic_id bigint NOT NULL,
    digest text NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (clinic_id, digest)
);
ALTER TABLE ledger.attachments ALTER COLUMN sealed SET STORAGE EXTERNAL;
GRANT SELECT, INSERT ON ledger.attachments TO noteledger_app;

-- Wrapped data keys.
CREATE TABLE IF NOT EXISTS ledger.data_keys (
    clinic_id bigint NOT NULL,
    key_id uuid NOT NULL,
    person_id bigint NOT NULL,
    scope text NOT NULL,
    wrapped bytea NOT NULL,
    PRIMARY KEY (clinic_id, key_id),
    CONSTRAINT data_keys_subject UNIQUE (clinic_id, person_id, scope)
);
GRANT SELECT, INSERT ON ledger.data_keys TO noteledger_app;

-- Idempotency-Keys, as keyed digests, with what they made.
CREATE TABLE IF NOT EXISTS ledger.claims (
    clinic_id bigint NOT NULL,
    user_id bigint NOT NULL,
    key_digest bytea NOT NULL,
    request_digest bytea NOT NULL,
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT claims_key PRIMARY KEY (clinic_id, user_id, key_digest)
);
GRANT SELECT, INSERT, DELETE ON ledger.claims TO noteledger_app;

-- Who may sign in. Names are sealed; they are found by a keyed digest.
CREATE TABLE IF NOT EXISTS ledger.accounts (
    clinic_id bigint NOT NULL,
    account_id uuid NOT NULL,
    user_id bigint NOT NULL,
    role text NOT NULL,
    login_digest bytea NOT NULL,
    login_sealed bytea NOT NULL,
    password_hash text,
    token_digest bytea,
    disabled_at timestamptz,
    PRIMARY KEY (clinic_id, account_id),
    CONSTRAINT accounts_login UNIQUE (clinic_id, login_digest)
);
GRANT SELECT, INSERT, UPDATE ON ledger.accounts TO noteledger_app;

-- Browser sessions on the server: the cookie's hash only.
CREATE TABLE IF NOT EXISTS ledger.login_sessions (
    clinic_id bigint NOT NULL,
    token_digest bytea NOT NULL,
    account_id uuid NOT NULL,
    began_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, token_digest)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.login_sessions TO noteledger_app;

-- Failed log-ins, for the throttle.
CREATE TABLE IF NOT EXISTS ledger.login_failures (
    clinic_id bigint NOT NULL,
    login_digest bytea NOT NULL,
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, login_digest)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.login_failures TO noteledger_app;

-- How far each follower has read each clinic's ledger. Whoever can set one back makes work start again,
-- which every job bears; set forward, work is never started.
CREATE TABLE IF NOT EXISTS ledger.bookmarks (
    clinic_id bigint NOT NULL,
    follower text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (clinic_id, follower)
);
GRANT SELECT, INSERT, UPDATE ON ledger.bookmarks TO noteledger_app;

-- Entries that a follower could not take, for an operator to look at; it went on with the next.
CREATE TABLE IF NOT EXISTS ledger.set_aside (
    clinic_id bigint NOT NULL,
    follower text NOT NULL,
    position bigint NOT NULL,
    error text NOT NULL,
    set_aside_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (clinic_id, follower, position)
);
GRANT SELECT, INSERT, DELETE ON ledger.set_aside TO noteledger_app;

-- Jobs that were asked for and are not done: what is sent, and sent again, to the queue. A row that is
-- lost is work that is never done; one too many is work that finds nothing left to do.
CREATE TABLE IF NOT EXISTS ledger.open_jobs (
    clinic_id bigint NOT NULL,
    job text NOT NULL,
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    asked_position bigint NOT NULL,
    asked_at timestamptz NOT NULL,
    sent_at timestamptz,
    sends integer NOT NULL DEFAULT 0,
    starts integer NOT NULL DEFAULT 0,
    why text,
    PRIMARY KEY (clinic_id, job, aggregate_id, version)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.open_jobs TO noteledger_app;

-- Public ids. Each process takes a block at a time: ids may skip, and are never given twice.
CREATE SEQUENCE IF NOT EXISTS ledger.note_id INCREMENT BY 20;
CREATE SEQUENCE IF NOT EXISTS ledger.soap_note_id INCREMENT BY 20;
CREATE SEQUENCE IF NOT EXISTS ledger.generation_id INCREMENT BY 20;
CREATE SEQUENCE IF NOT EXISTS ledger.user_id START 1000001;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA ledger TO noteledger_app;

-- The clinic of a new installation.
INSERT INTO ledger.ledger_head (clinic_id) VALUES (1) ON CONFLICT DO NOTHING;
