"""System checks of an installation: what ``manage.py check`` says about files and settings."""
