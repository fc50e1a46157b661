"""Alembic's entry point for every lineage; which one it is stands in the configuration's attributes."""

from alembic import context

from service_kit.database import migrations

migrations.run(**context.config.attributes)
