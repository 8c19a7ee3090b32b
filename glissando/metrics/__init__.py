"""What the field's metric libraries lack."""

from .tempo import tempo_hit

__all__ = ["tempo_hit"]
