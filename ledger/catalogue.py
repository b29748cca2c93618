"""What the database's own catalogue says of the ledger's schemas: who may do what, keys, policies, columns.

One line for each object, in PostgreSQL's own words, so that two descriptions by the same server can be
compared. Left out: who owns an object, and what an owner may do; the order of columns; names of
constraints that PostgreSQL makes for NOT NULL. The program's role is no object of a schema: what it
must not be is asked in `role_faults`.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.database import APP_ROLE

SCHEMAS: Final = ("ledger", "views")
Catalogue = Mapping[str, str]
"""What an object is, by the object: `policy p on views.notes` → its expressions."""


class Difference(NamedTuple):
    """An object that is not as it was laid: one of the two is None where it is missing or too many."""

    thing: str
    is_: str | None
    should_be: str | None

    def sentence(self) -> str:
        """For an operator: the object, and how it differs."""
        if self.is_ is None:
            return f"{self.thing} is missing."
        if self.should_be is None:
            return f"{self.thing} does not belong here."
        return f"{self.thing} is not as it was laid."


def differences(found: Catalogue, laid: Catalogue) -> list[Difference]:
    """Each object that differs, by name."""
    return [
        Difference(thing, found.get(thing), laid.get(thing))
        for thing in sorted(found.keys() | laid.keys())
        if found.get(thing) != laid.get(thing)
    ]


def describe(conn: Connection[Any]) -> dict[str, str]:
    """The catalogue of the two schemas."""
    described: dict[str, str] = {}
    # With an empty path PostgreSQL writes every name with its schema, whatever the session's is.
    with conn.transaction():
        conn.execute("SET LOCAL search_path TO pg_catalog")
        for statement in _STATEMENTS:
            rows = conn.cursor(row_factory=tuple_row).execute(statement, {"schemas": list(SCHEMAS)})
            described |= {str(thing): str(what) for thing, what in rows}
    return described


def role_faults(conn: Connection[Any]) -> list[str]:
    """What the running program's role is, and must not be; a sentence each."""
    rows = conn.cursor(row_factory=tuple_row).execute(
        _ROLE, {"schemas": list(SCHEMAS), "app": APP_ROLE}
    )
    return [f"{APP_ROLE} {what}." for (what,) in rows]


_ROLE: Final = """
    SELECT 'is a superuser' FROM pg_roles WHERE rolname = %(app)s AND rolsuper
    UNION ALL
    SELECT 'bypasses row-level security' FROM pg_roles WHERE rolname = %(app)s AND rolbypassrls
    UNION ALL
    SELECT 'may make roles' FROM pg_roles WHERE rolname = %(app)s AND rolcreaterole
    UNION ALL
    SELECT 'may replicate the database' FROM pg_roles WHERE rolname = %(app)s AND rolreplication
    UNION ALL
    SELECT 'is a member of ' || quote_ident(rolname) FROM pg_roles
    WHERE (rolsuper OR rolbypassrls OR rolname ^@ 'pg_') AND rolname <> %(app)s
    AND pg_has_role(%(app)s, oid, 'MEMBER')
    AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = %(app)s)
    UNION ALL
    SELECT 'owns ' || thing || ', or is a member of the role that does' FROM (
        SELECT 'schema ' || quote_ident(nspname) AS thing, nspowner AS owner
        FROM pg_namespace WHERE nspname = ANY(%(schemas)s)
        UNION ALL
        SELECT oid::regclass::text, relowner FROM pg_class
        WHERE relnamespace::regnamespace::text = ANY(%(schemas)s) AND relkind <> 'i'
        UNION ALL
        SELECT 'function ' || oid::regprocedure, proowner FROM pg_proc
        WHERE pronamespace::regnamespace::text = ANY(%(schemas)s)
    ) objects
    WHERE pg_has_role(%(app)s, owner, 'MEMBER')
    AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = %(app)s)
"""
_RELATIONS: Final = """
    SELECT 'relation ' || c.oid::regclass,
        concat_ws(' ', c.relkind, c.relpersistence, 'rls', c.relrowsecurity, c.relforcerowsecurity,
            'options', c.reloptions, 'parents', (
                SELECT array_agg(i.inhparent::regclass::text) FROM pg_inherits i
                WHERE i.inhrelid = c.oid
            ),
            'children', (
                SELECT array_agg(i.inhrelid::regclass::text ORDER BY 1) FROM pg_inherits i
                WHERE i.inhparent = c.oid
            ),
            CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
    FROM pg_class c WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s)
    AND c.relkind <> 'i'
"""
_COLUMNS: Final = """
    SELECT 'column ' || c.oid::regclass || '.' || quote_ident(a.attname),
        concat_ws(' ', format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'not null' END, 'storage', a.attstorage,
            'identity', a.attidentity, 'generated', a.attgenerated,
            'collation', nullif(a.attcollation, 0)::regcollation,
            'default', pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s)
    AND c.relkind NOT IN ('i', 'S') AND a.attnum > 0 AND NOT a.attisdropped
"""
_CONSTRAINTS: Final = """
    SELECT 'constraint ' || quote_ident(n.conname) || ' on ' || n.conrelid::regclass,
        concat_ws(' ', pg_get_constraintdef(n.oid), 'validated', n.convalidated)
    FROM pg_constraint n
    WHERE n.connamespace::regnamespace::text = ANY(%(schemas)s) AND n.conrelid <> 0
    AND n.contype <> 'n'
"""
_INDEXES: Final = """
    SELECT 'index ' || i.indexrelid::regclass || ' on ' || i.indrelid::regclass,
        concat_ws(' ', pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid, i.indisready)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s)
"""
_POLICIES: Final = """
    SELECT 'policy ' || quote_ident(p.polname) || ' on ' || p.polrelid::regclass,
        concat_ws(' ', p.polcmd, 'permissive', p.polpermissive, 'to', (
                SELECT array_agg(CASE role WHEN 0 THEN 'public' ELSE role::regrole::text END
                    ORDER BY role)
                FROM unnest(p.polroles) AS role
            ),
            'using', pg_get_expr(p.polqual, p.polrelid),
            'with check', pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s)
"""
_TRIGGERS: Final = """
    SELECT 'trigger ' || quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass,
        concat_ws(' ', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s) AND NOT t.tgisinternal
    UNION ALL
    SELECT 'internal triggers of ' || c.oid::regclass,
        concat_ws(' ', count(*), 'not enabled', count(*) FILTER (WHERE t.tgenabled <> 'O'))
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s) AND t.tgisinternal
    GROUP BY c.oid
"""
_RULES: Final = """
    SELECT 'rule ' || quote_ident(r.rulename) || ' on ' || r.ev_class::regclass,
        concat_ws(' ', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled)
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s)
"""
_FUNCTIONS: Final = """
    SELECT 'function ' || p.oid::regprocedure,
        CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE p.prokind::text END
    FROM pg_proc p WHERE p.pronamespace::regnamespace::text = ANY(%(schemas)s)
"""
_SEQUENCES: Final = """
    SELECT 'sequence ' || s.seqrelid::regclass,
        concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax,
            s.seqcache, s.seqcycle)
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
    WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s)
"""
_GRANTS: Final = """
    SELECT 'grant on ' || thing || ' to ' || CASE grantee
            WHEN 0 THEN 'public' ELSE grantee::regrole::text END,
        string_agg(privilege_type || CASE WHEN is_grantable THEN ' and may grant it' ELSE '' END,
            ', ' ORDER BY privilege_type, is_grantable)
    FROM (
        SELECT 'schema ' || quote_ident(nspname) AS thing, nspowner AS owner,
            coalesce(nspacl, acldefault('n', nspowner)) AS acl
        FROM pg_namespace WHERE nspname = ANY(%(schemas)s)
        UNION ALL
        SELECT oid::regclass::text, relowner,
            coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
        FROM pg_class WHERE relnamespace::regnamespace::text = ANY(%(schemas)s) AND relkind <> 'i'
        UNION ALL
        SELECT 'column ' || c.oid::regclass || '.' || quote_ident(a.attname), c.relowner, a.attacl
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace::regnamespace::text = ANY(%(schemas)s) AND a.attacl IS NOT NULL
        AND NOT a.attisdropped
        UNION ALL
        SELECT 'function ' || oid::regprocedure, proowner,
            coalesce(proacl, acldefault('f', proowner))
        FROM pg_proc WHERE pronamespace::regnamespace::text = ANY(%(schemas)s)
        UNION ALL
        SELECT 'what is made in schema ' || quote_ident(n.nspname), d.defaclrole, d.defaclacl
        FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace
        WHERE n.nspname = ANY(%(schemas)s)
    ) objects, aclexplode(acl) WHERE grantee <> owner
    GROUP BY thing, grantee
"""
_STATEMENTS: Final = (
    _RELATIONS,
    _COLUMNS,
    _CONSTRAINTS,
    _INDEXES,
    _POLICIES,
    _TRIGGERS,
    _RULES,
    _FUNCTIONS,
    _SEQUENCES,
    _GRANTS,
)
