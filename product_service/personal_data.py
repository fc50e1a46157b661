"""This service's personal data: only the account status and the audit log, which the kit exports and erases."""

from service_kit.personal_data import PersonalData, nothing_to_erase

PERSONAL_DATA = PersonalData(sections=[], erase=nothing_to_erase)
