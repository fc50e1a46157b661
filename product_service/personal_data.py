"""What this service holds about people: the account status and the audit log alone, both kept by the kit."""

from service_kit.personal_data import PersonalData, nothing_to_erase

PERSONAL_DATA = PersonalData(sections=[], erase=nothing_to_erase)
