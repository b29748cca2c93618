"""Background work: which fact starts which job, how jobs are sent, and what they do."""
