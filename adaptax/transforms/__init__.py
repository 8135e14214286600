"""Transformations that are no rates: what stands beside weight decay, behind the learning rate, or as a direction."""
