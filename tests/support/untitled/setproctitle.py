"""As if the package was not installed: the command lines of daemons are to be seen."""

raise ImportError
