"""A store behind Label Studio: its protocol for machine learning back ends, in its own forms of masks."""
