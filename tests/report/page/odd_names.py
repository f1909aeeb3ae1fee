"""Names of blocks that may harm a page, or be taken for each other."""

ODD_NAMES = (
    "<script>alert(1)</script>",
    "two\nlines",
    "x" * 200,
    "x" * 190 + "y" + "x" * 9,
    "größe 😀",
    "\u202ereversed",
    '"><img src=x onerror=alert(2)>',
    "' onload='alert(3)",
    "</style></script>",
    "{{ 7 * 7 }}",
)
