"""The best of many starts: train many initializations together, drop the losers, keep the best.

search    one compiled program trains what is left of the starts; after each rung the worse half is dropped
gain      what the best of k starts is worth, in validation and in test, per unit of compute
"""

from experiments.multistart.search import multistart as multistart
