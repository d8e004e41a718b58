"""Properties other than disease by which N and U differ, and what is done about them."""
