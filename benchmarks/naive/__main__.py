"""`python -m benchmarks.naive orders` (or `products`): uvicorn with its default settings."""

import os
import sys

import uvicorn

uvicorn.run(f"benchmarks.naive.{sys.argv[1]}:create", factory=True, port=int(os.environ["PORT"]))
