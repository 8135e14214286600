"""Adaptive-learning-rate methods for JAX, each a composable `optax.GradientTransformation`."""

# The algebra
from adaptax._rate import Rate as Rate
from adaptax._rate import rescale as rescale
from adaptax._rate import scale_by_rate as scale_by_rate

# Layers
from adaptax._layers import by_leaf as by_leaf
from adaptax._layers import by_parent as by_parent
from adaptax._layers import by_regex as by_regex
from adaptax._layers import by_tree as by_tree
from adaptax._layers import layer_table as layer_table
from adaptax._llrd import llrd as llrd
from adaptax._mup import mup as mup
from adaptax._per_layer import layer_means as layer_means
from adaptax._per_layer import layer_norms as layer_norms
from adaptax._per_layer import layer_sums as layer_sums

# Directions
from adaptax._history import scale_by_history as scale_by_history
from adaptax._moments import scale_by_moments as scale_by_moments
from adaptax.methods.adadelta import scale_by_adadelta as scale_by_adadelta
from adaptax.methods.learned_lstm import scale_by_learned_lstm as scale_by_learned_lstm
from adaptax.transforms.scale_by_block_moments import scale_by_block_moments as scale_by_block_moments

# Rates
from adaptax.methods.delta_bar_delta import delta_bar_delta_rate as delta_bar_delta_rate
from adaptax.methods.eve import eve_rate as eve_rate
from adaptax.methods.local_gains import local_gains_rate as local_gains_rate
from adaptax.methods.lsalr import lsalr_rate as lsalr_rate
from adaptax.rates.adagc import adagc_rate as adagc_rate
from adaptax.rates.alignment import alignment_rate as alignment_rate
from adaptax.methods.rprop import rprop_rate as rprop_rate
from adaptax.rates.by_path import rate_by_path as rate_by_path
from adaptax.rates.cautious import cautious_rate as cautious_rate
from adaptax.rates.dog import dog_rate as dog_rate
from adaptax.rates.hypergradient import hypergradient_rate as hypergradient_rate
from adaptax.rates.random_mask import random_mask_rate as random_mask_rate
from adaptax.rates.trust_ratio import trust_ratio_rate as trust_ratio_rate
from adaptax.rates.update_floor import update_floor_rate as update_floor_rate

# Companions
from adaptax.transforms.add_cautious_decay import add_cautious_decay as add_cautious_decay
from adaptax.transforms.average_params import average_params as average_params
from adaptax.transforms.average_params import averaged_params as averaged_params
from adaptax.transforms.hold_norms import hold_norms as hold_norms

# Looking inside
from adaptax._factors import Factors as Factors
from adaptax._observe import Observation as Observation
from adaptax._observe import observe as observe
from adaptax._agreement import gains as gains

# Methods
from adaptax.methods.adadelta import adadelta as adadelta
from adaptax.methods.adagrad import adagrad as adagrad
from adaptax.methods.adam import adam as adam
from adaptax.methods.adam_mini import adam_mini as adam_mini
from adaptax.methods.adamax import adamax as adamax
from adaptax.methods.adamw import adamw as adamw
from adaptax.methods.delta_bar_delta import delta_bar_delta as delta_bar_delta
from adaptax.methods.eve import eve as eve
from adaptax.methods.lamb import lamb as lamb
from adaptax.methods.lars import lars as lars
from adaptax.methods.learned_lstm import learned_lstm as learned_lstm
from adaptax.methods.local_gains import local_gains as local_gains
from adaptax.methods.lsalr import lsalr as lsalr
from adaptax.methods.nadam import nadam as nadam
from adaptax.methods.nesterov import nesterov as nesterov
from adaptax.methods.rmsprop import rmsprop as rmsprop
from adaptax.methods.rprop import rprop as rprop
from adaptax.methods.smoothed_nesterov import smoothed_nesterov as smoothed_nesterov
from adaptax.methods.velocity_gains import velocity_gains as velocity_gains

# Where gradients are taken
from adaptax._lookahead import lookahead_points as lookahead_points
from adaptax._lookahead import value_and_grad as value_and_grad

import importlib.metadata as _metadata
import typing as _typing

__version__ = _metadata.version("adaptax")

if not _typing.TYPE_CHECKING:  # a type checker is to complain of a name that is not above
    from adaptax._names import __getattr__ as __getattr__  # of a wrong name, say the right one
