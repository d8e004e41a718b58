"""Use cases, a verb a file: generators of events where catalog, images and method meet."""
