"""imports of products and prices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0117"
down_revision = "0116"
branch_labels = None
depends_on = None

# Who has cancelled it is logged, and stands for the state.
_PROGRESS = (
    "state",
    "columns",
    "size",
    "position",
    "rows",
    "created",
    "changed",
    "unchanged",
    "failed",
    "attempts",
    "actor",
)


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("kind", "format", "mode", "on_error")),
        sa.Column("creates_categories", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("columns", postgresql.JSONB(none_as_null=True), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("size", "position")),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("rows", "created", "changed", "unchanged", "failed", "attempts")
        ),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("cancelled_by", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('products', 'prices')", name=op.f("ck_imports_kind")),
        sa.CheckConstraint(
            "state IN ('receiving', 'queued', 'running', 'done', 'cancelled', 'failed')", name=op.f("ck_imports_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index(
        "ix_imports_not_ended", "imports", ["kind", "id"], postgresql_where="state IN ('queued', 'running')"
    )
    _part(
        "import_chunks",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    _part(
        "import_failures",
        sa.Column("row_number", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(), nullable=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("code", "message", "content")),
    )
    op.execute(audit("imports", "import", ignored=_PROGRESS))


def _part(table: str, number: "sa.Column[int]", *others: "sa.Column[object]") -> None:
    op.create_table(
        table,
        sa.Column("import_id", sa.Uuid(), nullable=False),
        number,
        *others,
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f(f"fk_{table}_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", number.name, name=op.f(f"pk_{table}")),
    )


def downgrade() -> None:
    op.drop_table("import_failures")
    op.drop_table("import_chunks")
    op.drop_table("imports")
