"""Objectives: what one training step minimises."""
