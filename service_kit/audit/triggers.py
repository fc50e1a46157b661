"""Functions for migrations that create the audit log, or the trigger that audits a table.

Migrations of released versions call these functions: their SQL may be extended, but not change its meaning.
"""

import json
from collections.abc import Sequence

from service_kit.audit.actor import SETTING
from service_kit.database.append_only import append_only, drop_append_only

TRIGGER = "audit"
NEVER_RECORDED = ("version", "created_at", "updated_at")
"""Columns that show that a row changed, but not what."""

APPEND_ONLY = append_only("audit_log", "the audit log")
DROP_APPEND_ONLY = drop_append_only("the audit log")

# `before || after` has all fields whatever the operation was. Fields that did not change are left out, so that an
# UPDATE that changes nothing but its row's version leaves no entry.
RECORD = f"""
CREATE FUNCTION record_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    actor jsonb := current_setting('{SETTING}');
    options jsonb := TG_ARGV[0];
    before jsonb := coalesce(to_jsonb(OLD), '{{}}');
    after jsonb := coalesce(to_jsonb(NEW), '{{}}');
    changed jsonb;
BEGIN
    SELECT jsonb_object_agg(field, CASE
        WHEN options->'withheld' ? field THEN 'null'
        ELSE jsonb_build_array(before->field, after->field) END)
    INTO changed
    FROM jsonb_object_keys(before || after) AS field
    WHERE coalesce(before->field, 'null') <> coalesce(after->field, 'null') AND NOT options->'ignored' ? field;
    IF changed IS NOT NULL THEN
        INSERT INTO audit_log (id, at, actor_id, client_id, action, resource, resource_id, changes, request_id)
        VALUES (uuidv7(), now(), (actor->>'actor_id')::uuid, actor->>'client_id', actor->>'action',
                options->>'resource', (before || after)->>(options->>'id'), changed, actor->>'request_id');
    END IF;
    RETURN NULL;
END $$
"""  # noqa: S608
DROP_RECORD = "DROP FUNCTION record_change() CASCADE"


def audit(
    table: str,
    resource: str,
    *,
    id: str = "id",
    withheld: Sequence[str] = (),
    ignored: Sequence[str] = (),
    inserted: str | None = None,
) -> str:
    """The statement that creates the trigger of `table`. It logs each changed row as one entry about a `resource`.

    `withheld`: columns with personal data, whose changes are logged without their values.
    `ignored`: internal columns, whose changes are not logged. `inserted`: only inserted rows that meet this condition.
    Outside of requests of staff the trigger only reads a setting, and its function is not called.
    """
    options = {
        "resource": resource,
        "id": id,
        "withheld": list(withheld),
        "ignored": [*NEVER_RECORDED, id, *ignored],
    }
    by_staff = f"current_setting('{SETTING}', true) <> ''"
    return f"""
        CREATE TRIGGER {TRIGGER} AFTER {"INSERT" if inserted else "INSERT OR UPDATE OR DELETE"} ON {table}
        FOR EACH ROW WHEN ({f"{by_staff} AND ({inserted})" if inserted else by_staff})
        EXECUTE FUNCTION record_change('{json.dumps(options)}')
    """


def audit_dead_letters() -> str:
    """Replayed and discarded dead letters, without their contents, which may be personal data."""
    return audit(
        "parked_events",
        "dead-letter",
        withheld=["key", "value", "headers", "error"],
        ignored=["attempts", "next_attempt_at", "parked_at"],
    )
