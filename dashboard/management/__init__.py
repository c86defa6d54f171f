"""Commands of ``manage.py`` that are about people."""
