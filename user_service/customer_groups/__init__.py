"""Groups of customers, such as wholesalers, that prices and promotions of other services refer to."""
