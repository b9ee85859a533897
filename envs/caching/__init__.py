"""Content caching at edge nodes: whom to evict for a missing object, or to admit nothing."""
