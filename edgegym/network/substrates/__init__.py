"""Substrates: networks whose nodes compute and whose links carry bandwidth, compiled to arrays with their paths."""

from edgegym.network.substrates.compiled import Substrate, compile_substrate
from edgegym.network.substrates.settings import SubstrateSettings, substrates_from_settings

__all__ = ["Substrate", "SubstrateSettings", "compile_substrate", "substrates_from_settings"]
