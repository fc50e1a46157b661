"""Our own copies of other services' data: products with prices, stock levels, customers."""
