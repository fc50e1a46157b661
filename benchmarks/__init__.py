"""What the shop's hot paths cost, each beside its limit or its rival in the same run: `make bench`."""
