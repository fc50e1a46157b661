"""Our own copies of what other services know: products with prices, stock levels, customers."""
