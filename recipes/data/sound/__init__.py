"""Recordings of sound: files, their labels, and clips of one length that are read when they are needed."""
