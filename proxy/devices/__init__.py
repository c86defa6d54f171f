"""The miners' own facts: finds miners on named networks, reads what they say. Loaded where switched on."""
