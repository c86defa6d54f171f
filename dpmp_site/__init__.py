"""The Django project: settings, start of the process, URLs, and who may reach them."""
