"""``python -m search.cli`` is the command ``genresweep``."""

from search.cli.main import main

main()
