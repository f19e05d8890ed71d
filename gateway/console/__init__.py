"""The stewards' console: pages where people decide what no rule may decide. Every form works without JavaScript."""
