"""What if: the recorded hash rates and networks once more, under other weights, schedules or auto-balance settings."""
