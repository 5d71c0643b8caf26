"""Beam glue: PTransforms and DoFns around the pure cores of :mod:`schemas`."""
