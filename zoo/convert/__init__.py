"""Converts pretrained weights of other libraries: reads their files, maps names and transposes arrays."""
