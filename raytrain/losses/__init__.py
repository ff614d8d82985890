"""Losses: one file per loss, a pure function and a thin module, and the table that names them."""
