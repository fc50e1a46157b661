"""Tests under overload, over a long time, and during rolling restarts."""
