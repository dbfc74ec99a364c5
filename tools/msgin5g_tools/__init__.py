"""What a person runs: the msgin5g command, demo, simulator and benchmarks."""
