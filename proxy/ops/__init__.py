"""What an operator runs or a monitor asks: doctor, pool checks, backup, steering, simulation and health endpoints."""
