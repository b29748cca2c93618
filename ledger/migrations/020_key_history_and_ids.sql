-- Public ids are counted for each clinic.

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
