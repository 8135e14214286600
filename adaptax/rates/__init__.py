"""One published rate per file: a multiplier of any direction, see `adaptax.Rate`."""
