"""The console: a page that shows the state of the shop on this machine, while someone looks at it."""
