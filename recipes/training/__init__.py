"""Training: the task interface, `fit`, input pipeline, optimizer, callbacks, and the trained run."""
