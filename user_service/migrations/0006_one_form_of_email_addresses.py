"""one form of e-mail addresses, and mails that know their account."""

import logging

import sqlalchemy as sa
from alembic import op

from user_service.emails import EmailAddress

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = "lower(normalize(email, NFKC))"
# Of the addresses that were stored so far, only these can differ from their normalised form.
UNUSUAL = "SELECT id, email FROM accounts WHERE email !~ '^[!-~]+$' OR email LIKE '%xn--%' OR email LIKE '%.'"
MARK = f"""
UPDATE accounts SET collides = true
WHERE {KEY} IN (SELECT {KEY} FROM accounts GROUP BY 1 HAVING count(*) > 1)
"""  # noqa: S608 (nothing from outside)
log = logging.getLogger("alembic.runtime.migration")


def upgrade() -> None:
    op.add_column("accounts", sa.Column("collides", sa.Boolean(), nullable=False, server_default="false"))
    _normalise()
    op.execute(MARK)
    op.create_index(
        "ix_accounts_colliding", "accounts", ["created_at", "id"], unique=False, postgresql_where=sa.text("collides")
    )
    op.create_index("ix_accounts_email_key", "accounts", [sa.text(KEY)], unique=False)
    op.create_index(
        "uq_accounts_email_key", "accounts", [sa.text(KEY)], unique=True, postgresql_where=sa.text("NOT collides")
    )
    _log_which_collide()
    op.add_column("mails", sa.Column("account_id", sa.Uuid(), nullable=True))
    op.create_index(op.f("ix_mails_account_id"), "mails", ["account_id"], unique=False)
    op.add_column("mail_tokens", sa.Column("email", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("mail_tokens", "email")
    op.drop_index(op.f("ix_mails_account_id"), table_name="mails")
    op.drop_column("mails", "account_id")
    op.drop_index("uq_accounts_email_key", table_name="accounts", postgresql_where=sa.text("NOT collides"))
    op.drop_index("ix_accounts_email_key", table_name="accounts")
    op.drop_index("ix_accounts_colliding", table_name="accounts", postgresql_where=sa.text("collides"))
    op.drop_column("accounts", "collides")


def _normalise() -> None:
    """One whose normalised form another account has already stays as it is: its owner signs in with that very text."""
    connection = op.get_bind()
    for id, email in connection.execute(sa.text(UNUSUAL)).all():
        values = {"id": id, "email": EmailAddress.of(email).text}
        if connection.execute(sa.text("SELECT id FROM accounts WHERE email = :email AND id <> :id"), values).first():
            connection.execute(sa.text("UPDATE accounts SET collides = true WHERE email = :email OR id = :id"), values)
        else:
            connection.execute(sa.text("UPDATE accounts SET email = :email WHERE id = :id"), values)


def _log_which_collide() -> None:
    """By id alone: nobody's address stands in a log."""
    groups: dict[str, list[str]] = {}
    statement = "SELECT id, email FROM accounts WHERE collides ORDER BY created_at, id"
    for id, email in op.get_bind().execute(sa.text(statement)):
        groups.setdefault(EmailAddress.of(email).key, []).append(str(id))
    for ids in groups.values():
        log.warning("These accounts have one e-mail address, in different spellings: %s", ", ".join(ids))
