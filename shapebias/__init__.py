"""Shape and simplicity biases of image classifiers: stimuli, training, probes, tables."""

__version__ = "0.1.0"
