"""The personal data of a service: each service declares it once, and the kit exports and erases it.

`create_app` takes a `PersonalData` from every service. The kit consumes the topic `users` with it: it updates the
account status first, then calls the service's own functions in the same transaction.
"""

from service_kit.personal_data.models import PersonalData, Section, nothing_to_erase

__all__ = ["PersonalData", "Section", "nothing_to_erase"]
