"""Whether all is as it should be on this machine: the environment, and each part against the library it comes from."""
