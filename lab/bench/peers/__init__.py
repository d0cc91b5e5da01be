"""Whom the lab is measured beside: code as courses write it; PyTorch and JAX, where they are installed."""
