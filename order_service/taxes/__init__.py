"""Tax zones and rates, tax ids of businesses, and the report of taxes."""
