"""What is measured on a network while it trains."""

from lab.probe.signals import Signals, observe

__all__ = ["Signals", "observe"]
