"""Sockets, tasks and time: TCP and TLS links, listener, dialer, resolver, HTTP client, web and metrics servers."""
