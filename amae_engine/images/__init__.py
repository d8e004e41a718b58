"""From files to pixels; knows no network and no catalog."""
