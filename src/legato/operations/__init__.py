"""What whoever runs the server looks at: is it well, how much does it do, what does it say."""

from legato.operations.health import Health
from legato.operations.metrics import Metrics
from legato.operations.operations import PATHS, Operations

__all__ = ["PATHS", "Health", "Metrics", "Operations"]
