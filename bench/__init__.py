"""The measurements of Legato and its peers. ``python -m bench`` runs them; see README.md."""
