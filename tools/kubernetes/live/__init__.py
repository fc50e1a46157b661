"""`make check-kubernetes`: installs the overlay `local` in a real cluster, and checks there what no file can show."""
