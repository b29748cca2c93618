-- Public ids are counted for each clinic; data keys have a history, and erased persons a fence.

-- Public ids: one counter for each clinic and kind of aggregate, taken in blocks. `next_id` is the first
-- of the next block: ids may skip, and are never given twice. Whoever sets one back makes saves fail,
-- because the ids are taken; set forward, ids are skipped.
CREATE TABLE ledger.id_counters (
    clinic_id bigint NOT NULL,
    kind text NOT NULL,
    next_id bigint NOT NULL,
    PRIMARY KEY (clinic_id, kind)
);
GRANT SELECT, INSERT, UPDATE ON ledger.id_counters TO noteledger_app;

-- A counter begins above all that the old sequence gave to any clinic, and above all that stands in
-- entries. The number of an aggregate is the low 62 bits of its id, that of its kind the high 48
-- (domain/aggregates.py). Persons may have been given any number by hand: their counter steps over
-- numbers that are taken (runtime/log_ins.py).
INSERT INTO ledger.id_counters (clinic_id, kind, next_id)
SELECT head.clinic_id, old.kind, greatest(old.next_id, (
    SELECT 1 + max(
        ('x' || right(replace(aggregate_id::text, '-', ''), 16))::bit(64)::bigint
        & 4611686018427387903
    )
    FROM ledger.entries
    WHERE clinic_id = head.clinic_id AND version = 1 AND old.kind <> 'person'
    AND ('x' || left(replace(aggregate_id::text, '-', ''), 12))::bit(48)::bigint = old.number
))
FROM ledger.ledger_head head CROSS JOIN (
    SELECT 'note' AS kind, 1 AS number, last_value + CASE WHEN is_called THEN 20 ELSE 0 END AS next_id
    FROM ledger.note_id
    UNION ALL
    SELECT 'soap-note', 2, last_value + CASE WHEN is_called THEN 20 ELSE 0 END
    FROM ledger.soap_note_id
    UNION ALL
    SELECT 'generation', 7, last_value + CASE WHEN is_called THEN 20 ELSE 0 END
    FROM ledger.generation_id
    UNION ALL
    SELECT 'person', 4, last_value + CASE WHEN is_called THEN 1 ELSE 0 END
    FROM ledger.user_id
) old;
DROP SEQUENCE ledger.note_id, ledger.soap_note_id, ledger.generation_id, ledger.user_id;

-- Data keys with their history. Somebody who can change this table can make a person's words
-- unreadable; a key that was made and is not here is still named by its fact.
-- `made_at` is NULL for keys that a program of schema 2 made. `made_position` is that of the key's fact:
-- NULL until the next start writes the fact of such a key (ledger/key_history.py).
-- `kek` names the key-encryption key that wrapped it, `kek_epoch` its number in the order of rotations.
ALTER TABLE ledger.data_keys ALTER COLUMN wrapped DROP NOT NULL;
ALTER TABLE ledger.data_keys
    ADD COLUMN made_at timestamptz,
    ADD COLUMN made_position bigint,
    ADD COLUMN kek text,
    ADD COLUMN kek_epoch integer,
    ADD COLUMN destroyed_at timestamptz,
    ADD CONSTRAINT data_keys_tombstone CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL));
ALTER TABLE ledger.data_keys ALTER COLUMN made_at SET DEFAULT now();
-- The first 16 bytes of a wrapped key name the key-encryption key of the local key file.
UPDATE ledger.data_keys SET kek = encode(substring(wrapped FROM 1 FOR 16), 'hex');
ALTER TABLE ledger.data_keys ALTER COLUMN kek SET NOT NULL;
GRANT UPDATE (wrapped, destroyed_at, made_position, kek_epoch) ON ledger.data_keys TO noteledger_app;

-- Which of these columns may change how: the running program destroys a key, or writes down where the
-- fact of an old one stands; it changes nothing else, and each of the two once.
CREATE FUNCTION ledger.guard_data_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.made_position IS DISTINCT FROM NEW.made_position AND OLD.made_position IS NOT NULL)
        OR (OLD.kek_epoch IS DISTINCT FROM NEW.kek_epoch AND OLD.kek_epoch IS NOT NULL)
        OR OLD.destroyed_at IS NOT NULL
        OR (OLD.wrapped IS DISTINCT FROM NEW.wrapped AND NEW.wrapped IS NOT NULL)
    THEN
        RAISE EXCEPTION 'a data key is destroyed, and changed in no other way'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_data_key BEFORE UPDATE ON ledger.data_keys
    FOR EACH ROW WHEN (current_user = 'noteledger_app') EXECUTE FUNCTION ledger.guard_data_key();

-- How often data keys were changed or deleted. Every process reads it twice a second, and forgets the
-- keys that it knows when it has grown. Whoever holds it back keeps keys in memory for five minutes.
CREATE TABLE ledger.data_key_changes (
    is_the_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_row),
    changes bigint NOT NULL
);
INSERT INTO ledger.data_key_changes (changes) VALUES (0);
GRANT SELECT ON ledger.data_key_changes TO noteledger_app;
CREATE FUNCTION ledger.count_data_key_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE ledger.data_key_changes SET changes = changes + 1;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION ledger.count_data_key_change() FROM PUBLIC;
CREATE TRIGGER count_data_key_change AFTER UPDATE OR DELETE OR TRUNCATE ON ledger.data_keys
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.count_data_key_change();

-- Where each erased person's fence stands: no entry about them is behind it.
CREATE TABLE ledger.fences (
    clinic_id bigint NOT NULL,
    person_id bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (clinic_id, person_id)
);
GRANT SELECT, INSERT ON ledger.fences TO noteledger_app;
