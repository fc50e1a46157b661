"""What people may ask for of their own data."""

from product_service.people.queries import SECTIONS
from service_kit.http.export import export_router

router = export_router(SECTIONS)
