"""The user service: accounts, sign-in, and the public keys with which all services verify access tokens."""

from datetime import timedelta

from fastapi import FastAPI

from service_kit.http.application import create_app
from service_kit.jobs import Job
from user_service.account_management import endpoints as accounts
from user_service.account_management import use_cases as account_use_cases
from user_service.addresses import endpoints as addresses
from user_service.api_clients import endpoints as api_clients
from user_service.audit import endpoints as audit
from user_service.auth import discovery
from user_service.auth import endpoints as auth
from user_service.customer_groups import endpoints as customer_groups
from user_service.customer_groups.jobs import FORGET_DELETED
from user_service.email_change import endpoints as email_change
from user_service.guests import endpoints as guests
from user_service.guests.jobs import DELETE_UNUSED
from user_service.keys import endpoints as keys
from user_service.keys import use_cases as key_use_cases
from user_service.mails import use_cases as mail_use_cases
from user_service.mails.jobs import SEND_MAILS
from user_service.mfa import endpoints as mfa
from user_service.mfa import use_cases as mfa_use_cases
from user_service.passwords import endpoints as passwords
from user_service.personal_data import PERSONAL_DATA, republish_erasures
from user_service.resources import open_resources
from user_service.roles import endpoints as roles
from user_service.sessions import endpoints as sessions
from user_service.sessions import use_cases as session_use_cases
from user_service.settings import Settings
from user_service.throttle import use_cases as throttle_use_cases
from user_service.verification import endpoints as verification


def create(settings: Settings | None = None) -> FastAPI:
    return create_app(
        settings or Settings(),
        title="Online Mart · users",
        description="Registration, sign-in and accounts. Every other service accepts the access tokens issued here.",
        routers=[
            auth.router,
            guests.router,
            passwords.router,
            verification.router,
            email_change.router,
            sessions.router,
            mfa.router,
            addresses.router,
            accounts.router,
            roles.router,
            customer_groups.router,
            api_clients.router,
            keys.router,
            discovery.router,
        ],
        personal_data=PERSONAL_DATA,
        jobs=[
            Job("first-admin", account_use_cases.ensure_first_admin, every=timedelta(minutes=1), before_ready=True),
            Job("prune-sessions", session_use_cases.prune, every=timedelta(hours=1)),
            Job("prune-mail-tokens", mail_use_cases.prune, every=timedelta(hours=1)),
            Job("prune-attempts", throttle_use_cases.prune, every=timedelta(hours=1)),
            Job("republish-erasures", republish_erasures, every=timedelta(days=1)),
            Job("signing-keys", key_use_cases.maintain_keys, every=timedelta(minutes=5)),
            Job("second-factor-encryption", mfa_use_cases.renew_encryption, every=timedelta(days=1)),
            SEND_MAILS,
            FORGET_DELETED,
            DELETE_UNUSED,
        ],
        lifespan=open_resources,
        fetch_keys=key_use_cases.published_keys,
        audit_log=audit.router,
    )
