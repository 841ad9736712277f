"""Whether all is as it should be on this machine: the environment, and each part against the library it comes from.

What has nothing to be compared with is not seen: how much memory and time a part takes, how long names are read, what a
command makes of paths and of a hub that does not answer, and networks of detectron2 and ONNX.
"""
