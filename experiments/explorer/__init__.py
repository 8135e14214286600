"""The explorer: a page that runs every method over a surface or along a signal, in the browser alone."""
