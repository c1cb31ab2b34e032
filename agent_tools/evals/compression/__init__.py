"""What each compression step keeps and loses on real files, beside uniform sampling."""
