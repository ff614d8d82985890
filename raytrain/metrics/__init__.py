"""Metrics that are exact over samples, whatever the batches and workers."""
