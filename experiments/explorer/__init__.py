"""The explorer: one page on which every method is stepped over a surface or along a signal, in a browser alone."""
