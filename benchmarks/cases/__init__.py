"""One module for each benchmark; each has `async def measure(stage) -> Result`."""
