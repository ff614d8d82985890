"""Optimizers, parameter groups and learning-rate schedules, and the tables that name them."""
