"""A round of pool-based active learning: train, evaluate, choose what is to be labelled next."""
