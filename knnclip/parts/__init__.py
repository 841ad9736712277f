"""What all frozen parts share."""
