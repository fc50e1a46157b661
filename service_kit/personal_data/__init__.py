"""The personal data of a service: declared once by each service, exported and erased by the kit.

`create_app` takes a `PersonalData` from every service. The kit consumes the topic `users` with it: it keeps the account
status first, then calls the service's own functions in the same transaction.
"""

from service_kit.personal_data.models import PersonalData, Section, nothing_to_erase

__all__ = ["PersonalData", "Section", "nothing_to_erase"]
