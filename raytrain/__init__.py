"""raytrain."""
