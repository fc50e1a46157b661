"""Functions for migrations that make a table append-only.

Migrations of released versions call these functions: what they return may not change its meaning.
"""


def append_only(table: str, name: str) -> str:
    """Statements by which PostgreSQL rejects updates and deletions of rows of `table`, which errors call `name`.

    By its trigger on TRUNCATE, `roles.grant` recognises the table, and grants the serving role SELECT and INSERT only.
    """
    function = _function(name)
    return f"""
    CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '{name} is only added to' USING ERRCODE = 'insufficient_privilege';
    END $$;
    CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION {function}();
    """


def drop_append_only(name: str) -> str:
    return f"DROP FUNCTION {_function(name)}() CASCADE"


def _function(name: str) -> str:
    return f"refuse_to_change_{name.replace(' ', '_')}"
