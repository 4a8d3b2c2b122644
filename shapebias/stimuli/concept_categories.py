"""Categories of concepts, in the order in which dissection ranks them."""

CATEGORIES = ("object", "part", "scene", "material", "texture", "color")


def category_rank(category: str) -> tuple[int, str]:
    """Order of categories: the six of Broden as dissection ranks them, then by the alphabet."""
    known = category in CATEGORIES
    return (CATEGORIES.index(category) if known else len(CATEGORIES), category)
