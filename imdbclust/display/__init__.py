"""What a notebook shows: tables and figures as HTML, tables as CSV."""
