"""The people that are told: our own copy of what the user service says of them."""
