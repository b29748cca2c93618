-- Which clinics' ledgers are not whole, as a follower found them, and where it stopped.
-- Whoever removes a row is told of again: the follower looks anew every few seconds.
CREATE TABLE ledger.stopped_followers (
    clinic_id bigint NOT NULL,
    follower text NOT NULL,
    position bigint NOT NULL,
    reason text NOT NULL,
    stopped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (clinic_id, follower)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.stopped_followers TO noteledger_app;
