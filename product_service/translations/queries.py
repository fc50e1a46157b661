"""Every statement about translations, except that they are joined where products and families are read."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from product_service.products.translations import Entity, Translation
from service_kit.database import Session, Statement
from service_kit.database.keyset import matching

EXISTS = {
    entity: Statement(f"SELECT true FROM {table} WHERE id = :id FOR KEY SHARE")
    for entity, table in (
        (Entity.PRODUCT, "products"),
        (Entity.FAMILY, "families"),
        (Entity.CATEGORY, "categories"),
        (Entity.COLLECTION, "collections"),
    )
}
SAVE = Statement("""
INSERT INTO translations (entity, entity_id, locale, fields, version, updated_at)
VALUES (:entity, :id, :locale, :fields::jsonb, 1, now())
ON CONFLICT (entity, entity_id, locale) DO UPDATE
SET fields = excluded.fields, version = translations.version + 1, updated_at = now()
""")


async def exists(tx: Session, entity: Entity, id: UUID) -> bool:
    """It then can't be deleted before the transaction ends."""
    return bool(await EXISTS[entity].fetch(tx, id=id))


async def save(tx: Session, entity: Entity, id: UUID, locale: str, fields: Mapping[str, Any]) -> None:
    await SAVE.execute(tx, entity=entity, id=id, locale=locale, fields=fields)


async def find(tx: Session, entity: Entity, id: UUID, locale: str) -> Translation | None:
    return await tx.get(Translation, (entity, id, locale))


async def every(tx: Session, entity: Entity, id: UUID) -> Sequence[Translation]:
    """All translations of one thing, by locale: there are few languages."""
    return (await tx.exec(matching(Translation, entity=entity, entity_id=id).order_by(col(Translation.locale)))).all()


async def texts_of(tx: Session, entity: Entity, locale: str | None) -> Mapping[UUID, Mapping[str, Any]]:
    """The texts of all things of this kind in a language, by their ids: there are few categories and collections."""
    if locale is None:
        return {}
    found = await tx.exec(
        select(Translation.entity_id, Translation.fields).where(
            Translation.entity == entity, Translation.locale == locale
        )
    )
    return dict(found.all())
