"""Alembic's entry point for every lineage; the configuration's attributes name the lineage."""

from alembic import context

from service_kit.database import migrations

migrations.run(**context.config.attributes)
