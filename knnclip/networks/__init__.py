"""Networks that play several roles at once: what they propose and what they call it comes from one forward pass."""
