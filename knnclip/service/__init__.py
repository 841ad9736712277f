"""A store for other programs: its acts as JSON over HTTP, and the protocol of Label Studio's machine learning."""
