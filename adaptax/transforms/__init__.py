"""Transformations other than rates: a weight decay, directions, and transformations after the learning rate."""
