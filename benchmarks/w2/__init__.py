"""Work W2, the product itself: whole orders, from the command to the settled fill, three inputs each."""
