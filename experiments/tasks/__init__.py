"""Tasks on which methods are compared, one file each, with the settings of their model; and surfaces and signals."""
