"""Augmentation of batches on their device: signals, patches, spectrograms, labels."""
