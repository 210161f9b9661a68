"""Audio in: decoding, resampling, the waveform store and what cuts batches from it."""
