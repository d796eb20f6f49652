"""Inputs of networks: splits, encodings and scaling."""
