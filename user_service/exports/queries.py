"""All that this service holds about somebody, but for what proves who they are: hashes of passwords and tokens."""

from service_kit.http.export import Section
from service_kit.security import standing

# From where others acted is theirs to know; from where somebody tried to sign in is told.
AUDITED = """
SELECT id, (CASE WHEN actor_id <> $1 THEN to_jsonb(entry) - '{address, user_agent, session_id}'::text[]
                 ELSE to_jsonb(entry) END)::text
FROM audit_log AS entry WHERE (actor_id = $1 OR subject_id = $1) AND id > $2 ORDER BY id LIMIT $3
"""
SECTIONS = [
    Section(
        "account",
        "SELECT id, (to_jsonb(accounts) - 'password_hash')::text FROM accounts WHERE id = $1 AND id > $2 LIMIT $3",
    ),
    Section("account_standing", standing.EXPORT),
    Section(
        "addresses",
        "SELECT id, to_jsonb(addresses)::text FROM addresses WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3",
    ),
    Section(
        "sessions",
        "SELECT id, to_jsonb(sessions)::text FROM sessions WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3",
    ),
    Section(
        "api_clients",
        "SELECT id, to_jsonb(api_clients)::text FROM api_clients WHERE owner_id = $1 AND id > $2 ORDER BY id LIMIT $3",
    ),
    Section(
        "second_factor",
        """
        SELECT account_id, (to_jsonb(second_factors) - 'encrypted_secret')::text FROM second_factors
        WHERE account_id = $1 AND account_id > $2 LIMIT $3
        """,
    ),
    Section(
        "known_addresses",
        """
        SELECT md5(address)::uuid, to_jsonb(known_addresses)::text FROM known_addresses
        WHERE account_id = $1 AND md5(address)::uuid > $2 ORDER BY md5(address)::uuid LIMIT $3
        """,
    ),
    Section(
        "mails_to_send",
        """
        SELECT id, to_jsonb(mails)::text FROM mails
        WHERE (account_id = $1 OR account_id IS NULL AND email = (SELECT email FROM accounts WHERE id = $1))
          AND id > $2 ORDER BY id LIMIT $3
        """,
    ),
    Section("audit_log", AUDITED),
]
