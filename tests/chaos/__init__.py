"""A shop that is broken again and again while it sells, as a seed says; and the check of its books afterwards."""
