"""Tests of a shop of several real processes: complete orders, crashes, and a broker that is down."""
