"""What the gateway promises, held against histories that were recorded while everything around it broke."""
