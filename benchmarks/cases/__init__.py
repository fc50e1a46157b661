"""One module for each thing that is measured; each has `async def measure(stage) -> Result`."""
