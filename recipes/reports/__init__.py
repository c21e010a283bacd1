"""HTML report, model card, data frames and figures of a run."""
