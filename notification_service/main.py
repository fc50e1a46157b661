"""The notification service: `uvicorn --factory notification_service.main:create`."""

from fastapi import FastAPI

from notification_service.deliveries import endpoints as deliveries
from notification_service.deliveries import jobs as deliveries_jobs
from notification_service.deliveries import withheld
from notification_service.notifications import consumers as notification_consumers
from notification_service.notifications import endpoints as notifications
from notification_service.personal_data import PERSONAL_DATA
from notification_service.preferences import endpoints as preferences
from notification_service.settings import Settings
from service_kit.http.application import create_app
from service_kit.mail import open_mailer

DESCRIPTION = """\
Notifies customers of the progress of their orders, in an inbox and by e-mail.

It creates notifications from events of the other services, and sends no requests to them.
"""


def create(settings: Settings | None = None) -> FastAPI:
    return create_app(
        settings or Settings(),
        title="Notifications",
        description=DESCRIPTION,
        routers=[notifications.router, preferences.router, deliveries.router],
        personal_data=PERSONAL_DATA,
        consumers=[notification_consumers],
        jobs=[*deliveries_jobs.JOBS, withheld.RELEASE_WITHHELD],
        lifespan=open_mailer,
    )
