"""The dashboard: `latebloom serve`."""
