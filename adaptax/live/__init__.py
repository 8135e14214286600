"""Observations by `adaptax.observe`, step by step: in the terminal, in pictures, in files, and in words."""

from adaptax.live.diagnose import diagnose as diagnose
from adaptax.live.history import History as History
