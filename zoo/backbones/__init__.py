"""Transfer learning: backbones under new heads, fine-tuning, other bands, feature extraction and TF Hub modules."""
