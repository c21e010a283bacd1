"""SavedModel export, its parity check, and smaller formats."""
