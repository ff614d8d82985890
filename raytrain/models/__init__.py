"""Models: one file per architecture, and the table that names them."""
