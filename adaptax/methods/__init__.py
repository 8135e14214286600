"""One published method per file; a file's name is the method's name everywhere."""
