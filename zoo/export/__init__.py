"""SavedModel export: signatures, the parity check, and further formats."""
