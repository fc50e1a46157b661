"""Changes an account's e-mail address: requested with the password, and confirmed by a code that is mailed to the new
address."""

from service_kit.database import Session
from service_kit.problems import not_found
from user_service.account_management import use_cases as account_use_cases
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account
from user_service.audit.models import Action, Actor
from user_service.audit.use_cases import record
from user_service.email_change.models import SameEmail, SecondFactorNeeded, WrongSecondFactor
from user_service.emails import EmailAddress
from user_service.mails import use_cases as mails
from user_service.mails.models import Purpose, TokenNotGood
from user_service.mfa import queries as factors
from user_service.mfa.use_cases import Mfa
from user_service.passwords.models import WrongPassword
from user_service.passwords.use_cases import PasswordService
from user_service.sessions import use_cases as sessions


async def request_change(
    passwords: PasswordService, mfa: Mfa, actor: Actor, new: EmailAddress, password: str, otp: str | None
) -> None:
    """Mails a code to the new address, and a notice to the present one if it is confirmed.

    Only that mail reveals whether another account has the new address. Raises: NotFound,
    SameEmail, WrongPassword, SecondFactorNeeded, WrongSecondFactor, TooManyTries, TooManyRequests, GuestAccount.
    """
    async with passwords.database.session() as tx:
        account = await accounts.by_id(tx, actor.id) or not_found(Account, actor.id)
        account.check_registered()
        has_second_factor = await factors.is_on(tx, account.id)
    await passwords.prove(account, password, actor, Action.EMAIL_CHANGE_REFUSED)
    if has_second_factor and otp is None:
        raise SecondFactorNeeded
    if has_second_factor and otp is not None:
        await mfa.prove(account.id, otp, actor, Action.EMAIL_CHANGE_REFUSED, WrongSecondFactor)
    if account.email == new.text:
        raise SameEmail
    for address in (new, EmailAddress.of(account.email)):
        await passwords.throttle.mail(address, actor)
    async with passwords.database.session() as tx:
        current = await accounts.lock(tx, account.id) or not_found(Account, account.id)
        if not await passwords.is_unchanged(account, current, password):
            raise WrongPassword  # it was changed in the meantime
        await mails.forget_tokens(tx, current.id, Purpose.CHANGE_EMAIL)
        mails.enqueue(tx, Purpose.CHANGE_EMAIL, new.text, current.id)
        if current.email_verified:
            mails.enqueue(tx, Purpose.EMAIL_CHANGE_ASKED, current.email, current.id)
        record(tx, actor, Action.EMAIL_CHANGE_ASKED, current.id)


async def confirm(tx: Session, actor: Actor, token: str) -> Account:
    """Sets the new address, ends all other sessions, and invalidates codes that were mailed to the former address.

    Only a caller who is signed in to the account may confirm: if the address was mistyped, the stranger who gets the
    mail must not get the account. Raises: TokenNotGood, EmailTaken, NotFound.
    """
    account = await accounts.lock(tx, actor.id) or not_found(Account, actor.id)
    mailed = await mails.find(tx, token, Purpose.CHANGE_EMAIL)
    if mailed.account_id != account.id or mailed.email is None:
        raise TokenNotGood
    before = account.model_copy()
    await account_use_cases.change_email(tx, account, EmailAddress.of(mailed.email), actor)
    await mails.forget_tokens(tx, account.id, Purpose.CHANGE_EMAIL, Purpose.VERIFY_EMAIL, Purpose.RESET_PASSWORD)
    await sessions.end_all(tx, account.id, but=actor.session_id)
    if before.email_verified:
        mails.enqueue(tx, Purpose.EMAIL_CHANGED, before.email, account.id)
    return account
