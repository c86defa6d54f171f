"""Publishes what the proxy knows to an MQTT broker, and takes a few commands from it. Loaded only where switched on."""
