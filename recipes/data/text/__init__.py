"""Readers of texts: documents for a language model, and labelled texts."""
