"""An order's life: placed, reserved, paid, shipped, delivered, or ended early."""
