"""`python -m raytrain` is the `raytrain` command."""

from raytrain.cli.main import main

main()
