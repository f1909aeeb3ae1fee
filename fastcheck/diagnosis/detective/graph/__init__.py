"""The recorded cost as the search sees it: operations, lines, slopes; the same at other values."""
