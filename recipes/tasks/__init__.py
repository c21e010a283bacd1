"""The tasks: loss, metrics, baselines and report figures of each."""
