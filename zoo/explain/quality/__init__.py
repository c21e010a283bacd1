"""Quality measures of explanations."""
