"""``python -m legato``."""

from legato.cli import main

main()
