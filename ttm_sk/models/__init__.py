"""One file per architecture: a frozen config and the module it describes, in reading order."""
