"""One module for each benchmark, with a function `async def measure(stage) -> Result`."""
